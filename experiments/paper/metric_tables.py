"""The tables of general metrics: disentanglement, and the quality of decoded images."""

import statistics
from collections.abc import Mapping
from dataclasses import asdict

from ugvae.evaluation.disentanglement import Disentanglement, Scores
from ugvae.evaluation.image_quality import FLOOR, RECONSTRUCTIONS, Distance, ImageQuality
from ugvae.evaluation.results import to_json
from ugvae.experiments.paper.table import Kind, Number, Row, Table, number

BY_FACTOR = {
    "mig": "MIG",
    "sap": "SAP",
    "completeness": "DCI completeness",
    "informativeness": "DCI informativeness",
    "explicitness": "explicitness",
}
BETWEEN = {"disentanglement": "DCI disentanglement", "modularity": "modularity", "factor_vae": "FactorVAE score"}
MEAN = "all, the mean"


def disentanglement(results: Mapping[str, Disentanglement]) -> list[Table]:
    """Scores of every latent by factor, each beside its controls."""
    rows: list[Row] = []
    for latent, result in results.items():
        size = f"groups of {result.group_size}" if result.group_size else "images"
        head = {"latent": latent.partition(",")[0], "measured on": f"{result.rows:,} {size}"}
        for name, count in result.values.items():
            scores = {network: asdict(scores.factors[name]) for network, scores in result.scores.items()}
            rows.append({**head, "factor": f"{name}, {count} values"} | _beside_controls(scores, BY_FACTOR))
        if len(result.values) > 1:
            scores = {network: _over_factors(scores) for network, scores in result.scores.items()}
            rows.append({**head, "factor": MEAN} | _beside_controls(scores, BY_FACTOR | BETWEEN))
    bins = next(iter(results.values())).bins
    caption = (
        "Posterior means of held-out images, and of groups of one value each, no image in two of them. In brackets the "
        "same of the untrained network; of the trained one with the factors permuted, which is chance. MIG counts "
        f"in {bins} bins of equal width; SAP is of thresholds, DCI of a random forest, explicitness of logistic "
        "regression, judged on the other half of the rows. What compares factors means nothing with one, and is not "
        "given."
    )
    return [Table(caption, rows)]


def _over_factors(scores: Scores) -> dict[str, float]:
    """The means over the factors, and the scores that compare factors."""
    by_factor = [asdict(factor) for factor in scores.factors.values()]
    means = {name: statistics.fmean(factor[name] for factor in by_factor) for name in BY_FACTOR}
    return means | {name: getattr(scores, name) for name in BETWEEN}


def _beside_controls(scores: Mapping[str, Mapping[str, float]], heads: Mapping[str, str]) -> dict[str, Number]:
    """Cells such as ``0.31 (0.04; 0.01)``: trained, untrained, permuted."""
    cells = {}
    for name, head in heads.items():
        trained, *controls = (scores[network][name] for network in ("trained", "untrained", "permuted"))
        beside = "; ".join(map(number, controls))
        cells[head] = Number(f"{number(trained)} ({beside})", trained, 2)
    return cells


def image_quality(result: ImageQuality) -> list[Table]:
    """Distances from real images, and the same of translations."""
    tables = [Table(_caption(result), *_distances(result.distances, to_json(result.reconstructions)))]
    for direction, shown in result.translations.items():
        caption = f"{direction}: images that are carried over, and their distance from real images of the target."
        tables.append(Table(caption, *_distances(shown, head=direction)))
    return tables


def _caption(result: ImageQuality) -> str:
    parts = [f"Distance of decoded images from as many held-out real ones, by {result.features}."]
    if result.accuracy:
        told = ", ".join(f"{column} {number(share)}" for column, share in result.accuracy.items())
        parts.append(
            f"They are those of a small classifier of the training images; on held-out images it tells {told}. Such "
            "numbers compare with one another on the same data, and with no published FID."
        )
    parts.append("In grey the floor, real images too. KID ± s.d. over subsets that share images.")
    parts += [f"{name} left out: {reason}." for name, reason in result.left_out.items()]
    return " ".join(parts)


def _distances(
    distances: Mapping[str, Distance], quality: Mapping[str, float] | None = None, head: str = "images"
) -> tuple[list[Row], dict[int, Kind]]:
    """A row for every set, and which of them is the floor."""
    rows: list[Row] = []
    for name, measured in distances.items():
        kid = Number(f"{number(measured.kid, 4)} ± {measured.kid_sd:.4f}", measured.kid, 4)
        row = {head: name, "images a set": f"{measured.images:,}", "KID": kid, "FID": number(measured.fid)}
        if quality and name == RECONSTRUCTIONS:
            row |= {"PSNR, dB": number(quality["psnr"]), "SSIM": number(quality.get("ssim"), 3)}
        rows.append(row)
    return rows, {row: "control" for row, name in enumerate(distances) if name == FLOOR}
