"""Image grids decoded from the prior: walks through beta and z, and samples.

Axes: K components, R rows, S columns, C channels, H and W pixels.
"""

import torch
from torch import Tensor

from ugvae.models.base import GroupVAE


@torch.no_grad()
def component_walks(
    model: GroupVAE, steps: int = 7, beta_range: float = 1.0, z_range: float = 3.0
) -> tuple[Tensor, Tensor, Tensor]:
    """The walk of Fig. 3 and 8 for every component.

    Rows move beta from −beta_range to beta_range on every dimension at once; columns move z from m_k(beta) − z_range
    to m_k(beta) + z_range, again on every dimension at once.

    Returns:
        images ``(K, steps, steps, C, H, W)``, the values of beta ``(steps,)`` and the offsets of z ``(steps,)``.
    """
    rows = torch.linspace(-beta_range, beta_range, steps, device=model.device, dtype=model.dtype)
    columns = torch.linspace(-z_range, z_range, steps, device=model.device, dtype=model.dtype)
    beta = rows.unsqueeze(1).expand(-1, model.beta_dim)
    means = model.prior(beta).mean  # (R, K, z_dim)
    z = (means.unsqueeze(2) + columns.view(-1, 1)).flatten(1, 2)  # (R, K·S, z_dim)
    images = model.decode(z, beta).unflatten(1, (means.shape[1], steps)).transpose(0, 1)
    return images.cpu(), rows.cpu(), columns.cpu()


@torch.no_grad()
def component_samples(model: GroupVAE, rows: int = 10, columns: int = 10) -> tuple[Tensor, Tensor]:
    """Samples with d drawn once per row (Fig. 10): each row is one group of one component.

    Returns:
        images ``(rows, columns, C, H, W)`` and the component of each row ``(rows,)``.
    """
    d = torch.randint(model.num_components, (rows,))
    return torch.cat([model.sample(1, columns, component=int(k)) for k in d]).cpu(), d


@torch.no_grad()
def reconstructions(model: GroupVAE, images: Tensor) -> Tensor:
    """Decodes the posterior means of float images ``(G, B, C, H, W)``; the same shape comes back."""
    posterior = model.infer(images)
    return model.decode(posterior.z.mean, posterior.beta.mean)
