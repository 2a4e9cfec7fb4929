"""The tables of accuracies: of the paper's comparisons, of probes of groups, and by the size of groups."""

import statistics
from collections.abc import Mapping, Sequence

from ugvae.evaluation.classification import PERMUTED, PIXELS, Accuracy, Classification
from ugvae.evaluation.controls import FITTED, UNTRAINED
from ugvae.evaluation.group_probes import BETA_MEAN, GroupProbe
from ugvae.evaluation.group_sizes import SizeResult
from ugvae.evaluation.paper_protocol import PROTOCOL
from ugvae.evaluation.verdict import SAME_SAMPLE, SAMPLE, best
from ugvae.experiments.paper.table import ABSENT, Kind, Number, Row, Table, number

Printed = Mapping[str, Mapping[str, float]]  # accuracies of the paper, by task and kernel

PAPER, CHANCE = "the paper prints", "chance"
TASKS = {"kinds": "kinds alone", "kinds and random": "and random groups"}
SHOWN_BY_SIZE = (SAMPLE, f"{UNTRAINED} {SAMPLE}", f"{FITTED} {SAMPLE}", SAME_SAMPLE, f"{SAMPLE}{PERMUTED}", PIXELS)
KERNELS = {"linear": "linear SVM", "rbf": "RBF SVM"}


def accuracies(name: str, result: Classification, paper: Printed) -> Table:
    """Accuracies of one comparison: ours, the paper's beside it, then the means and the controls."""
    accuracy = result.accuracy
    columns = {f"{TASKS.get(task, task)}, {KERNELS[kernel]}": (task, kernel) for task in accuracy for kernel in KERNELS}
    features = dict.fromkeys(feature for task in accuracy.values() for feature in task)
    rows = [
        {"feature": feature}
        | {head: _accuracy(accuracy[task], feature, kernel) for head, (task, kernel) in columns.items()}
        for feature in sorted(features, key=lambda feature: feature != SAMPLE)
    ]
    if paper:
        printed = {head: str(number(paper.get(task, {}).get(kernel))) for head, (task, kernel) in columns.items()}
        rows.insert(1, {"feature": PAPER, **printed})
    rows.append({"feature": CHANCE} | {head: str(number(result.chance[task])) for head, (task, _) in columns.items()})
    if result.train_accuracy:
        rows += [
            {"feature": f"{feature}, training groups"}
            | {
                head: _accuracy(result.train_accuracy[task], feature, kernel)
                for head, (task, kernel) in columns.items()
            }
            for feature in features
        ]
    groups, seeds = result.groups_per_kind, len(result.seeds)
    repeated = f"mean ± s.d. over {seeds} re-splits of the images" if seeds > 1 else "of one split of the images"
    caption = (
        f"{name}: accuracy on held-out groups of {result.group_size}, {repeated}; "
        f"{groups['train']} training and {groups['test']} test groups of each of {len(result.kinds)} kinds, no image "
        "in both. In bold the samples of beta; in grey the controls."
        + (f" What the paper prints is by its own protocol, on means: see {name}, {PROTOCOL}." if paper else "")
        + (f" Information of beta: {statistics.fmean(result.information):.1f} nats." if result.information else "")
    )
    if result.protocol:
        caption = (
            f"{name}: posterior means of training images, BatchNorm in training mode, {groups['random']} random groups "
            f"of {result.group_size} and {groups['train'] + groups['test']} of each kind, a fifth for the test, with "
            f"images of the others in them too; {repeated}. In grey the controls."
        )
    return Table(caption, rows, {index: kind for index, row in enumerate(rows) if (kind := kind_of(row["feature"]))})


def group_probes(result: Mapping[str, GroupProbe]) -> Table:
    """What a linear probe reads of each column from the latents of held-out groups."""
    first = next(iter(result.values()))
    features = [BETA_MEAN, *(name for name in first.scores if name != BETA_MEAN)]
    rows: list[Row] = [
        {"feature": feature} | {_probed(name, probe): number(probe.scores[feature]) for name, probe in result.items()}
        for feature in features
    ]
    rows.append({"feature": CHANCE} | {_probed(name, probe): number(probe.chance) for name, probe in result.items()})
    sizes = first.groups
    caption = f"Read from the latents of {sizes['held out']} held-out groups; the probe learned from {sizes['train']}."
    kinds = {index: kind for index, row in enumerate(rows) if (kind := kind_of(row["feature"]))} | {0: "ours"}
    return Table(caption, rows, kinds)


def _probed(name: str, probe: GroupProbe) -> str:
    return f"{name}, {probe.measure}"


def _accuracy(accuracies: Mapping[str, Mapping[str, Accuracy]], feature: str, kernel: str) -> str:
    measured = accuracies.get(feature, {}).get(kernel)
    return ABSENT if measured is None else Number(str(measured), measured.mean, 2)


def by_size(name: str, sizes: Sequence[SizeResult]) -> Table:
    """Accuracies of one comparison by the size of the groups, with the share of images that groups have in common."""
    rows: list[Row] = []
    rarest = max(sizes[-1].shared, key=sizes[-1].shared.get)
    for size in sizes:
        result = size.classification
        row = {"images per group": str(result.group_size), "shared by two groups": number(size.shared[rarest])}
        for task, accuracies in result.accuracy.items():
            for feature in SHOWN_BY_SIZE:
                if reached := best(accuracies, [feature]):
                    head = f"{TASKS.get(task, task)}: {feature}"
                    row[head] = Number(str(reached.accuracy), reached.accuracy.mean, 2)
            row[f"{TASKS.get(task, task)}: {CHANCE}"] = str(number(result.chance[task]))
        rows.append(row)
    caption = (
        f"{name}: accuracy of the better kernel on held-out groups by their size, and the share of its images that a "
        f"group of {rarest} has in common with another. Where it is large, the groups are few in truth. 128 images are "
        "the paper's."
    )
    return Table(caption, rows)


def kind_of(feature: str) -> Kind | None:
    """What a row of accuracies is; a control is all that is not of the trained model's beta."""
    if feature in (SAMPLE, PAPER):
        return "ours" if feature == SAMPLE else "paper"
    control = feature.startswith((UNTRAINED, PIXELS, CHANCE)) or feature.endswith(PERMUTED)
    return "control" if control else None
