"""What was asked of the speed, and whether a run of the bench shows it."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from experiments.bench.cases import BATCHES, PLAIN, PLAIN_FED, PLAIN_JPEG, PRECISIONS
from experiments.bench.scaling import TABLE_SIZES
from experiments.bench.timing import Measurement, median

Measurements = dict[str, Measurement]
BARE = "bare loop"


class Target(NamedTuple):
    """One demand.

    Attributes:
        text: what is compared.
        limit: the bound.
        at_least: whether it is a lower bound.
        value: the measured number and a remark, from the measurements; a KeyError says that they lack something.
    """

    text: str
    limit: float
    at_least: bool
    value: Callable[[Measurements], tuple[float, str]]


class Verdict(NamedTuple):
    """A target and what was found."""

    target: Target
    value: float
    remark: str

    @property
    def passed(self) -> bool:
        return self.value >= self.target.limit if self.target.at_least else self.value <= self.target.limit


def share_of_rate(measurements: Measurements, name: str) -> float:
    """Share of the matrix-product rate, of the same precision and threads and in the same run, that a step reaches."""
    way = measurements[name]
    case = name.split(":")[0]
    products = [
        each
        for key, each in measurements.items()
        if key.startswith(f"{case}: matrix product")
        and (each["precision"], each["threads"]) == (way["precision"], way["threads"])
    ]
    return way["gflop"] / (median(way) / 1000) / median(products[0])


def fastest(measurements: Measurements, case: str, way: str) -> str:
    """The fastest of the precisions and variants of a way, on all threads."""
    ours = [name for name in measurements if name.startswith(f"{case}: {way}")]
    names = [name for name in ours if not name.endswith(" thread")]
    if not names:
        raise KeyError(f"{case}: {way}")
    return min(names, key=lambda name: median(measurements[name]))


def _ratio(over: str, under: str) -> Callable[[Measurements], tuple[float, str]]:
    return lambda found: (median(found[over]) / median(found[under]), "")


def _against_fastest(case: str, plain: str, way: str) -> Callable[[Measurements], tuple[float, str]]:
    def value(found: Measurements) -> tuple[float, str]:
        name = fastest(found, case, way)
        return median(found[f"{case}: {plain}, float32"]) / median(found[name]), name.split(": ")[1]

    return value


def _best_share(case: str, precision: str) -> Callable[[Measurements], tuple[float, str]]:
    def value(found: Measurements) -> tuple[float, str]:
        name = fastest({name: each for name, each in found.items() if each.get("precision") == precision}, case, BARE)
        return share_of_rate(found, name), name.split(": ")[1]

    return value


def _growth(found: Measurements) -> tuple[float, str]:
    small, large = (
        median(found[f"scaling: own_mib of a table = {count}"]) for count in (TABLE_SIZES[0], TABLE_SIZES[-1])
    )
    per_image = (large - small) * 2**20 / (TABLE_SIZES[-1] - TABLE_SIZES[0])
    return large / small, f"{large - small:+.0f} MiB, {per_image:.0f} bytes per image"


MLP, CONV = (f"{backbone} {batches[0]}" for backbone, batches in BATCHES.items())
TARGETS: Sequence[Target] = (
    Target(
        "mlp, batch 128: plain fed one image at a time / fastest Lightning with everything on",
        4.0,
        True,
        _against_fastest(MLP, PLAIN_FED, "Lightning"),
    ),
    Target(
        "mlp, batch 128: Lightning with everything on / bare loop, float32",
        1.10,
        False,
        _ratio(f"{MLP}: Lightning, float32", f"{MLP}: {BARE}, float32"),
    ),
    Target(
        "conv, batch 128: plain without feeding / fastest bare loop", 2.5, True, _against_fastest(CONV, PLAIN, BARE)
    ),
    Target(
        "conv, batch 128: plain decoding JPEGs in the loop / fastest Lightning",
        5.0,
        True,
        _against_fastest(CONV, PLAIN_JPEG, "Lightning"),
    ),
    *(
        Target(
            f"conv, batch 128: share of the matrix-product rate, fastest bare loop in {precision}",
            0.45,
            True,
            _best_share(CONV, precision),
        )
        for precision in PRECISIONS
    ),
    Target("mlp: a step with K = 100 / with K = 10", 1.3, False, _ratio("scaling: K = 100", "scaling: K = 10")),
    Target(
        "memory of training's own, table of 1,000,000 images / of 10,000",
        1.1,
        False,
        _growth,
    ),
)


def verdicts(measurements: Measurements) -> list[Verdict]:
    """The targets that the measurements say something about."""
    found = []
    for target in TARGETS:
        try:
            found.append(Verdict(target, *target.value(measurements)))
        except KeyError:  # its part was not run
            continue
    return found
