"""Whether the paper's claims hold for a run, by fixed rules on its results, each beside its controls.

One run has one training seed, so nothing here has an error over seeds. An s.d. over repeated splits of the test images
is a yardstick and is never divided by the root of their number.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from ugvae.evaluation.bounds import Rung
from ugvae.evaluation.classification import KERNELS, PERMUTED, PIXELS, Accuracy, Classification
from ugvae.evaluation.control_claims import controls_generation, is_used, keeps_content, takes_style
from ugvae.evaluation.controls import FITTED, SAME_INFORMATION, UNTRAINED
from ugvae.evaluation.results import RunResults
from ugvae.evaluation.statements import NO, NOT_MEASURED, PARTLY, YES, Statement, graded, not_measured

MARGIN = 0.02  # of accuracy, one of 50 test groups: a smaller lead does not count
ERRORS = 2.0  # standard errors over held-out groups: a rise of more happens by chance about one time in forty

SAMPLE = "beta sample"
SAME_SAMPLE = f"{SAME_INFORMATION} {SAMPLE}"
SAMPLE_CONTROLS = (f"{UNTRAINED} {SAMPLE}", f"{FITTED} {SAMPLE}", SAME_SAMPLE, f"{SAMPLE}{PERMUTED}")
MEANS = (f"{UNTRAINED} beta mean", f"{FITTED} beta mean", f"{UNTRAINED} mean z", PIXELS)


class Best(NamedTuple):
    """The accuracy of the better kernel, and the feature that reached it."""

    feature: str
    accuracy: Accuracy

    def beats(self, other: "Best") -> bool:
        """Whether it is above the other by more than the margin, and than the s.d. over the splits explains."""
        pair = self.accuracy, other.accuracy
        spread = sum((side.sd or 0.0) ** 2 for side in pair) ** 0.5
        return pair[0].mean - pair[1].mean > max(MARGIN, spread)


def tasks(comparisons: Mapping[str, Classification]) -> Iterator[tuple[str, dict[str, dict[str, Accuracy]]]]:
    """Accuracies by feature and kernel of every task of some comparisons, with its name."""
    for name, result in comparisons.items():
        for task, accuracies in result.accuracy.items():
            yield name if task == "kinds" else f"{name} / random", accuracies


def best(accuracies: Mapping[str, Mapping[str, Accuracy]], features: Sequence[str]) -> Best | None:
    """The best of some features by the better kernel; None if none was measured."""
    measured = [
        Best(feature, accuracies[feature][kernel])
        for feature in features
        if feature in accuracies
        for kernel in KERNELS
    ]
    return max(measured, key=lambda entry: entry.accuracy.mean, default=None)


def verdict(results: RunResults) -> list[Statement]:
    """The claims, and whether they hold: always the same in the same order, then one for each column of ``groups``."""
    return [*(claim(results) for claim in CLAIMS), *_columns_told_apart(results)]


def carries_information(results: RunResults) -> Statement:
    """Samples of beta against the best control by samples, in every task of table1 and of the series.

    Accuracy measures signal over noise: an untrained network whose means are scaled up reaches any. So the control at
    the same information is needed.
    """
    claim = "Beta carries what the images of a group have in common, beyond what any control by samples does."
    return _information(claim, {**results.table1, **results.series}, "table1 or series")


def _columns_told_apart(results: RunResults) -> list[Statement]:
    """The same rule for each comparison of the user's own columns."""
    return [
        _information(f"Beta tells {name} apart beyond the controls.", {name: result}, "groups")
        for name, result in results.groups.items()
    ]


def _information(claim: str, compared: Mapping[str, Classification], command: str) -> Statement:
    """Samples of beta against the best control by samples, in every task of the comparisons."""
    comparisons, means, wins, matched, unmatched = [], [], [], [], []
    for name, accuracies in tasks(compared):
        trained = best(accuracies, [SAMPLE])
        controls = [control for feature in SAMPLE_CONTROLS if (control := best(accuracies, [feature]))]
        if trained is None or not controls:
            continue
        rival = max(controls, key=lambda control: control.accuracy.mean)
        wins.append(trained.beats(rival))
        same = best(accuracies, [SAME_SAMPLE])
        if same is None:
            unmatched.append(name)
        elif not trained.beats(same):
            matched.append(name)
        comparisons.append(f"{name}: {trained.accuracy} against {rival.accuracy} ({rival.feature})")
        means += [control.accuracy.mean for control in [best(accuracies, MEANS)] if control]
    if not comparisons:
        return not_measured(claim, command)
    because = f"Accuracy by samples of beta, trained against the best control: {'; '.join(comparisons)}."
    if matched:
        because += f" At the same information the untrained network does about as well in {'; '.join(matched)}."
    control = "Posterior means decide nothing here"
    if means:
        reached = " to ".join(dict.fromkeys(f"{accuracy:.2f}" for accuracy in (min(means), max(means))))
        control += f": without any training, means and the mean pixel reach {reached} on the same groups"
    control += ". Only samples weigh a mean against its uncertainty"
    if unmatched:
        why = "the untrained network at the same information was not measured, without which an accuracy says nothing"
        return Statement(claim, NOT_MEASURED, f"{because} In {'; '.join(unmatched)} {why}.", f"{control}.")
    return Statement(claim, graded(wins), because, f"{control}.")


def bound_tightens(results: RunResults) -> Statement:
    """The importance-weighted bound, with fresh draws for each S and T: above the ELBO as stated, and rising."""
    claim = "The importance-weighted bound tightens with more draws."
    ladder = results.bound
    if ladder is None:
        return not_measured(claim, "bound")
    bounds = sorted(ladder.bounds, key=lambda rung: rung.S * rung.T)
    rises = [rung.rise for rung in bounds[1:]]
    if not rises or None in rises:
        return not_measured(claim, "bound", "Several sizes with fresh draws for each are needed")
    largest = bounds[-1]
    rose = largest.rise.mean > ERRORS * largest.rise.error
    falls = [f"from {_size(low)} to {_size(high)}" for low, high in _nested(bounds) if _falls(low, high)]
    because = (
        f"From {_size(bounds[0])} to {_size(largest)} it rises by {largest.rise.mean:.3f} ± {largest.rise.error:.3f} "
        f"nats per image; it is {largest.gain.mean:.2f} above the ELBO of {ladder.elbo.mean:.2f}."
    )
    if falls:
        because += f" It falls {', '.join(falls)}."
    control = (
        f"{ladder.groups} held-out groups of {ladder.group_size}, fresh draws for each size. The ELBO as the paper "
        "states it (eq. 11) is not strictly a lower bound: that the other lies above it is measured, and no theorem."
    )
    return Statement(claim, YES if rose and not falls else PARTLY if rose else NO, because, control)


def _size(rung: Rung) -> str:
    return f"S = {rung.S}, T = {rung.T}"


def _nested(bounds: Sequence[Rung]) -> Iterator[tuple[Rung, Rung]]:
    """Pairs of sizes of which one has more draws of one kind, and as many of the other or more."""
    for low in bounds:
        for high in bounds:
            if low is not high and high.S >= low.S and high.T >= low.T:
                yield low, high


def _falls(low: Rung, high: Rung) -> bool:
    """Whether a bound of more draws is below that of fewer, by more than chance."""
    rises = [(rung.rise.mean, rung.rise.error) if rung.rise else (0.0, 0.0) for rung in (low, high)]
    error = (rises[0][1] ** 2 + rises[1][1] ** 2) ** 0.5
    return rises[1][0] - rises[0][0] < -ERRORS * error


CLAIMS = (carries_information, controls_generation, takes_style, keeps_content, is_used, bound_tightens)
