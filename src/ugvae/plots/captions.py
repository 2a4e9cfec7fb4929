"""What to look for in the figures of training."""

CAPTIONS = {  # by how the name of the figure begins
    "reconstructions": "Held-out images above what the model decodes from their own z and beta. Look for what is lost.",
    "component_walks": (
        "One panel per mixture component: down the rows beta moves through its prior, along the columns z crosses the "
        "component's prior (Fig. 3 and 8 of the paper). Trained betas may lie elsewhere: see the aggregated walks. "
        "Without beta, w of GMVAE moves down the rows. Where nothing drives the mixture, each row is a component."
    ),
    "aggregate_walks": (
        "A panel per principal axis of the betas of held-out groups: down the rows beta goes from their 5 % to their "
        "95 % quantile, a column keeps its local draw. Rows all alike mean that beta controls nothing where it is."
    ),
    "global_walk": "Rows: beta; columns: z, every dimension at once (Fig. 4). Rows all alike mean an unused beta.",
    "latent_walks": "One dimension of z per row, the others at 0 (Fig. 9).",
    "samples": "Images drawn from the prior. A row is one group: its images share one beta, where the model has one.",
    "beta_map": "t-SNE map of the mean of beta of held-out groups. Clusters mean that it holds what a group shares.",
    "curves": "The bound and its terms over the optimiser steps: training, and validation where it was made.",
    "z_map": "t-SNE map of the mean of z of held-out images.",
}


def caption_of(figure: str) -> str:
    """What to look for in a figure of training.

    Args:
        figure: its name, which may end with the number of a page or a column.
    """
    return next((words for start, words in CAPTIONS.items() if figure.startswith(start)), f"{figure}, from training.")
