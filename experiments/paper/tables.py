"""The tables of a run, each from the result of one command: for the report and the reproduction page."""

from collections.abc import Callable, Mapping
from typing import Any

from ugvae.evaluation import factors as properties
from ugvae.evaluation.bounds import BoundLadder, GroupMean
from ugvae.evaluation.factors import Decided, VarianceShares
from ugvae.evaluation.latent_use import LatentUse
from ugvae.evaluation.results import RunResults
from ugvae.experiments.paper import accuracy_tables, metric_tables, translation_tables
from ugvae.experiments.paper.table import Number, Row, Table, number


def tables_of(name: str, results: RunResults, content: Mapping[str, Any]) -> list[Table]:
    """The tables of a command.

    Args:
        name: of the command.
        results: of the run.
        content: of the command's JSON.

    Returns:
        nothing if the command has no tables, or was not run.
    """
    result = getattr(results, name, None)
    if result and name in ("table1", "series", "groups"):
        paper = content.get("paper", {})
        return [
            accuracy_tables.accuracies(comparison, scores, paper.get(comparison, {}))
            for comparison, scores in result.items()
        ]
    return MADE[name](result) if result and name in MADE else []


def latent_use(results: Mapping[str, LatentUse]) -> list[Table]:
    """How much of beta is used, and what a swap of beta or z changes."""
    rows: list[Row] = []
    for name, use in results.items():
        row = {"groups": f"{name}, {use.groups} of {use.group_size}"}
        if use.beta:
            kl, known = use.beta.kl, use.beta.information
            row["KL_beta, nats per group"] = Number(f"{kl.mean:.1f} ± {kl.sd:.1f}", kl.mean, 1)
            if known:
                shown = f"{known.information:.1f} ({known.most:.1f})"
                row["of it information (most that N groups can show)"] = Number(shown, known.information, 1)
                row["if Gaussian"] = number(known.gaussian, 1)
                row["of it mismatch"] = number(known.mismatch, 1)
            units = {"active units": use.beta.active_units, "tell groups apart by a sample": use.beta.apart}
            row |= {name: Number(f"{count} of {use.beta.dimensions}", count, 1) for name, count in units.items()}
        swaps = {
            "beta": use.swap_beta,
            "beta, z transported": use.transported,
            "nothing, z transported (control)": use.transported_own,
            "z": use.swap_z,
        }
        for latent, swap in swaps.items():
            if swap:
                row[f"swap of {latent}: pixels"] = number(swap.pixels, 3)
                row[f"swap of {latent}: nats per image lost"] = number(swap.log_likelihood_loss)
        rows.append(row)
    caption = (
        "Use of beta on held-out images. KL_beta is information, what beta tells of its group, and mismatch, how far "
        "the betas lie from their prior. N groups show log N nats at most; where they do, the information is between "
        "that and the Gaussian estimate. A unit is active if the variance of its posterior mean between groups is "
        "above 0.01; it tells groups apart if it varies by more than one posterior s.d. A swap decodes with the beta "
        "of another group, or the z of another image: change of a pixel in [0, 1], and loss of log-likelihood. What a "
        "transported z does under its own beta is not beta's doing."
    )
    return [Table(caption, rows)]


def factors(results: Mapping[str, Decided]) -> list[Table]:
    """Shares of variance of decoded images that beta decides, and what the images keep under other betas."""
    names = list(dict.fromkeys(name for result in results.values() for name in result.shares))
    rows: list[Row] = [
        {"property": name}
        | {words: _share(result.shares[name]) for words, result in results.items() if name in result.shares}
        for name in names
    ]
    for what, field in (("label kept", "label_kept"), ("source found again", "retrieval")):
        kept = {
            words: _kept(getattr(result, field), getattr(result, f"{field}_plain"))
            for words, result in results.items()
            if getattr(result, field) is not None
        }
        rows += [{"property": what, **kept}] if kept else []
    caption = (
        "Share of the variance of decoded images that beta decides, by property, and the s.d. that it is a share of; "
        "the rest is of the local latents. A share of an s.d. of about 0 is not given. Beta takes the style if, with "
        "the betas of held-out groups, its share is larger for a property of style than for the pixels and than in the "
        "untrained network. Below, what images keep under other betas, beside what a plain reconstruction keeps."
    )
    return [Table(caption, rows, {row: "control" for row, name in enumerate(names) if name == properties.PIXELS})]


def _share(share: VarianceShares) -> str:
    if share.beta is None or share.sd is None:
        return number(share.beta) + ("" if share.sd is None else f" of {share.sd:.3f}")
    return Number(f"{number(share.beta)} of {share.sd:.3f}", share.beta, 2)


def _kept(share: float, plain: float | None) -> str:
    return number(share) if plain is None else Number(f"{number(share)} of {number(plain)}", share, 2)


def bound(result: BoundLadder) -> list[Table]:
    """The importance-weighted bound for growing S and T beside the ELBO."""

    def written(value: GroupMean, places: int, sign: str = "") -> str:
        return f"{number(value.mean, places, sign)} ± {value.error:.{places}f}"

    rows = [{"draws of beta": "ELBO", "draws of z": "", "bound": written(result.elbo, 2), "above the ELBO": ""}]
    for rung in result.bounds:
        draws = {"draws of beta": f"S = {rung.S}", "draws of z": f"T = {rung.T}"}
        rows.append({**draws, "bound": written(rung, 2), "above the ELBO": written(rung.gain, 3, "+")})
    caption = (
        "Importance-weighted bound, S draws of beta per group and T of z per image, nats per image ± standard error "
        f"over {result.groups} groups of {result.group_size}; fresh draws for each size. In expectation it rises with "
        "the draws. The ELBO of eq. 11 is not strictly a lower bound, so that it lies below is no theorem."
    )
    return [Table(caption, rows)]


MADE: dict[str, Callable[[Any], list[Table]]] = {
    "group_sizes": lambda results: [accuracy_tables.by_size(name, sizes) for name, sizes in results.items()],
    "translation": translation_tables.translation,
    "probes": lambda result: [accuracy_tables.group_probes(result)],
    "latent_use": latent_use,
    "factors": factors,
    "bound": bound,
    "disentanglement": metric_tables.disentanglement,
    "image_quality": metric_tables.image_quality,
}
