"""Tables of the report, each from the JSON of one command; only what the JSON says is shown."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from experiments.paper.report import measures
from experiments.paper.report.html import Html, table, tag
from ugvae.plots.curves import CURVES

Result = Mapping[str, Any]

PAPER_FEATURE = "beta sample"  # what the paper's Table 1 classifies
TASKS = {"kinds": "two kinds", "kinds and random": "and random groups"}
KERNELS = {"linear": "linear SVM", "rbf": "RBF SVM"}
SKIPPED = {
    "name",
    "options",
    "config",
    "versions",
    "figures",
    "split",
    "units",
    "model",
    "seed",
    "seeds",
    "seconds",
    "paper",
}
LONG = 8  # numbers in a list that a table still shows


def measured(result: Result) -> list[Html]:
    """The tables of one command's JSON: those of its kind, or every number folded away; nothing if there is none."""
    if is_table(result):
        return next(make for shape, make in SHAPES if shape(result))(result)
    rows = list(flat(result))
    if not rows:
        return []
    caption = "Everything that the JSON holds."
    return [tag("details", tag("summary", "The numbers"), table(caption, ["quantity", "value"], rows))]


def is_table(result: Result) -> bool:
    """Whether a JSON holds numbers that the report has a table for."""
    return any(shape(result) for shape, _ in SHAPES)


def _each_has(result: Result, key: str) -> bool:
    found = result.get("results")
    return (
        isinstance(found, Mapping) and bool(found) and all(isinstance(x, Mapping) and key in x for x in found.values())
    )


def classification(result: Result) -> list[Html]:
    """Accuracies of ``table1.json`` and ``series.json``: ours, the paper's beside it, then the means and controls."""
    return [_accuracies(name, each, result.get("paper", {}).get(name, {})) for name, each in result["results"].items()]


def _accuracies(name: str, result: Result, paper: Result) -> Html:
    accuracy = result["accuracy"]
    tasks = list(accuracy)
    columns = [(task, kernel) for task in tasks for kernel in KERNELS]
    many = len(result["kinds"]) > 2
    words = {"kinds": f"{len(result['kinds'])} kinds"} if many else {}
    heads = [f"{words.get(task, TASKS.get(task, task))}, {KERNELS[kernel]}" for task, kernel in columns]
    names = list(dict.fromkeys(feature for task in tasks for feature in accuracy[task]))
    names.sort(key=lambda feature: feature != PAPER_FEATURE)
    rows: list[list[Any]] = []
    classes: list[str | None] = []
    for feature in names:
        rows.append([feature, *(_mean(accuracy[task].get(feature, {}).get(kernel)) for task, kernel in columns)])
        classes.append("ours" if feature == PAPER_FEATURE else "control" if is_control(feature) else None)
        if feature == PAPER_FEATURE and paper:
            cells = [paper.get(task, {}).get(kernel) for task, kernel in columns]
            rows.append(["the paper prints", *("—" if cell is None else f"{cell:.2f}" for cell in cells)])
            classes.append("paper")
    rows.append(["chance", *(f"{result['chance'][task]:.2f}" for task, _ in columns)])
    classes.append("control")
    groups = result["groups_per_kind"]
    caption = (
        f"{name}: accuracy on held-out groups of {result['group_size']}, mean ± s.d. over {len(result['seeds'])} "
        f"seeds; {groups['train']} training and {groups['test']} test groups of each kind, no image in both. "
        "In bold what the paper classifies; in grey the controls."
    )
    return table(caption, ["feature", *heads], rows, classes)


def is_control(feature: str) -> bool:
    """Whether a feature is not of the trained model's beta: the untrained network, pixels, permuted labels."""
    return feature.startswith(("untrained", "mean image")) or "permuted" in feature


def _mean(value: Result | None) -> str:
    return "—" if value is None else f"{value['mean']:.2f} ± {value['sd']:.2f}"


def flat(result: Result, prefix: str = "") -> Iterator[tuple[str, str]]:
    """Numbers and words of nested dicts with the way to each; lists that are too long are named by their length."""
    for key, value in result.items():
        if not prefix and key in SKIPPED:
            continue
        name = f"{prefix}{key}"
        if isinstance(value, Mapping):
            yield from flat(value, f"{name} › ")
        elif isinstance(value, list) and len(value) > LONG:
            span = f", {shown(min(value))} to {shown(max(value))}" if _all_numbers(value) else ""
            yield name, f"{len(value)} values{span}"
        elif isinstance(value, list):
            yield name, ", ".join(shown(each) for each in value)
        else:
            yield name, shown(value)


def _all_numbers(values: list[Any]) -> bool:
    return all(isinstance(value, int | float) for value in values)


def shown(value: Any) -> str:
    """A value as text, floats with four figures."""
    if value is None:
        return "—"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,.4g}".replace("-", "−") if isinstance(value, float) else str(value)


CLUSTER_NAMES = {
    "nmi": "NMI of components and labels",
    "ari": "ARI of components and labels",
    "accuracy": "accuracy under the best match",
    "usage_entropy": "entropy of the components' use, nats",
}


def test_table(test: Result) -> Html:
    """``test.json``: the terms of the ELBO and the clusters."""
    rows = [
        [CURVES.get(name.split("/")[-1], name), f"{value:,.2f}".replace("-", "−")]
        for name, value in test.get("metrics", {}).items()
    ]
    rows += [[CLUSTER_NAMES.get(name, name), f"{value:.3f}"] for name, value in (test.get("clusters") or {}).items()]
    caption = (
        f"The test split, {test.get('groups', '?')} groups of {test.get('group_size', '?')} images, best checkpoint."
    )
    return table(caption, ["quantity", "value"], rows)


# what a command's JSON looks like, and its tables
SHAPES: list[tuple[Callable[[Result], bool], Callable[[Result], list[Html]]]] = [
    (lambda result: _each_has(result, "accuracy"), classification),
    (lambda result: _each_has(result, "swap_z"), measures.latent_use),
    (lambda result: _each_has(result, "pixels"), measures.factors),
    (lambda result: "rates" in result and "judges" in result, measures.translation),
    (lambda result: "bounds" in result and "elbo" in result, measures.bound),
]
