"""Numbers that belong to no command of their own: the test split, and whatever else a JSON holds."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ugvae.experiments.paper.common import NO_RESULTS
from ugvae.experiments.paper.table import ABSENT, Table, number
from ugvae.plots.curves import PER_GROUP, term_with_unit

SKIPPED = NO_RESULTS | {"model", "seed", "seeds", "seconds"}
LONG = 8  # numbers in a list that a table still shows


def everything(result: Mapping[str, Any]) -> Table | None:
    """Every number of a JSON that has no table of its own; None if there is none."""
    rows = [{"quantity": name, "value": value} for name, value in flat(result)]
    return Table("Everything that the JSON holds.", rows) if rows else None


def flat(value: Any, name: str = "") -> Iterator[tuple[str, str]]:
    """Numbers and words of nested dicts with the way to each; a long list by its length and its range."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            if key not in SKIPPED:
                yield from flat(inner, f"{name} › {key}" if name else key)
    elif isinstance(value, list) and len(value) > LONG:
        numbers = all(isinstance(item, int | float) for item in value)
        span = f", {in_words(min(value))} to {in_words(max(value))}" if numbers else ""
        yield name, f"{len(value)} values{span}"
    else:
        yield name, in_words(value)


def in_words(value: Any) -> str:
    """A value as text, floats with four figures."""
    if isinstance(value, list):
        return ", ".join(map(in_words, value))
    if value is None or isinstance(value, bool):
        return {None: ABSENT, True: "yes", False: "no"}[value]
    return f"{value:,.4g}".replace("-", "−") if isinstance(value, float) else str(value)


SCORES = {
    "bits_per_dim": "−ELBO, bits per dimension",
    "nmi": "NMI of components and labels",
    "ari": "ARI of components and labels",
    "accuracy": "accuracy under the best match",
    "usage_entropy": "entropy of the components' use, nats",
    "information": "of KL_beta information, nats per group",
    "most": "most information that as many groups can show, nats",
    "gaussian": "information if the betas are Gaussian, nats per group",
    "mismatch": "of KL_beta mismatch with the prior, nats per group",
    "psnr": "PSNR of reconstructions, dB",
    "ssim": "SSIM of reconstructions",
}


def split_table(test: Mapping[str, Any]) -> Table:
    """``test.json``: the terms of the bound, then the scores of its other parts."""
    terms = {name.partition("/")[2]: value for name, value in test.get("metrics", {}).items()}
    per_group = test.get("per_group_terms", PER_GROUP)
    rows = [{"quantity": term_with_unit(term, per_group), "value": number(value)} for term, value in terms.items()]
    for part in (part for part in test.values() if isinstance(part, Mapping)):
        rows += [{"quantity": SCORES[name], "value": number(part[name], 3)} for name in SCORES if name in part]
    rows += [{"quantity": what, "value": note} for what, note in test.get("notes", {}).items()]
    groups, size = test.get("groups", "?"), test.get("group_size", "?")
    checkpoint = Path(test.get("checkpoint") or "best.ckpt").name
    return Table(f"The test split, {groups} groups of {size} images, {checkpoint}.", rows)
