"""The numbers that the verdict rests on, picked out of what the commands of ``experiments.paper`` leave as JSON."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from ugvae.evaluation.classification import KERNELS
from ugvae.evaluation.translation import DIRECTIONS, WAYS

Result = Mapping[str, Any]

MARGIN = 0.02  # of accuracy, one of 50 test groups: a smaller lead is of no use, however sure
ERRORS = 2.0  # standard errors that a lead must exceed: by chance about one time in forty


class Accuracy(NamedTuple):
    """An accuracy by the better kernel: mean and s.d. over ``seeds`` repetitions, and the feature it is of."""

    feature: str
    mean: float
    sd: float
    seeds: int

    def __str__(self) -> str:
        return f"{self.mean:.2f} ± {self.sd:.2f}"

    def beats(self, other: "Accuracy") -> bool:
        """Whether it is above the other by more than the margin and by more than chance."""
        error = math.sqrt(self.sd**2 / self.seeds + other.sd**2 / other.seeds)
        return self.mean - other.mean > max(MARGIN, ERRORS * error)


def tasks(results: Mapping[str, Result]) -> Iterator[tuple[str, Result]]:
    """Accuracies by feature of every task of table1 and series, with its name."""
    for command in ("table1", "series"):
        for name, result in results.get(command, {}).get("results", {}).items():
            for task, accuracies in result["accuracy"].items():
                yield name if task == "kinds" else f"{name} / random", accuracies


def best(accuracies: Result, features: Sequence[str]) -> Accuracy | None:
    """The best of some features by the better kernel; None if none was measured."""
    found = [
        Accuracy(feature, each["mean"], each["sd"], len(each["values"]))
        for feature in features
        if feature in accuracies
        for each in (accuracies[feature][kernel] for kernel in KERNELS)
    ]
    return max(found, key=lambda each: each.mean, default=None)


def swap(results: Mapping[str, Result]) -> tuple[str, Result] | None:
    """The set of groups between which a swap of beta changes the most, and what it changes."""
    uses = results.get("latent_use", {}).get("results", {})
    found = {name: each["swap_beta"] for name, each in uses.items() if each.get("swap_beta")}
    return max(found.items(), key=lambda each: each[1]["log_likelihood_loss"], default=None)


def ways(translation: Result) -> list[str]:
    """The ways in which z was carried."""
    return [way for way in WAYS if all(way in each["domain"] for each in translation["rates"].values())]


def worst(translation: Result, name: str, way: str) -> float:
    """A rate in the worse of both directions."""
    return min(translation["rates"][each][name][way] for each in DIRECTIONS)


def kept(translation: Result, way: str) -> float:
    """What is kept in the worse direction: the content, or else the least of the readings' shares of the reference."""
    if "content" in translation["judges"]:
        return worst(translation, "content", way)
    return min(shares_of_reference(translation, way).values())


def shares_of_reference(translation: Result, way: str) -> dict[str, float]:
    """Of each reading, and of retrieval, what is kept over what a plain reconstruction keeps, the worse direction."""
    shares: dict[str, float] = {}
    for direction in DIRECTIONS:
        for name, agreement in translation["survives"][direction].items():
            ours, plain = (
                agreement[each] if name == "retrieval" else agreement[each]["spearman"]
                for each in (way, "reconstruction")
            )
            share = max(0.0, ours / plain) if plain > 0 else 0.0
            shares[name] = min(share, shares.get(name, math.inf))
    return shares
