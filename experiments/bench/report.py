"""What was measured, as Markdown."""

from pathlib import Path
from typing import Any

from experiments.bench.charts import save_figures
from experiments.bench.scaling import STEP_CURVES, points_of
from experiments.bench.targets import Measurements, share_of_rate, verdicts
from experiments.bench.timing import Measurement, median
from ugvae.runs.files import replace_section

PARTS = ("mlp", "conv", "loader", "scaling")
SECTION = "bench_{}"  # of docs/performance.md


def number(value: float) -> str:
    """Three digits or more, thousands apart."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}" if abs(value) < 10 else f"{value:.1f}"


def spread(measurement: Measurement) -> str:
    """The fastest and the slowest round."""
    values = measurement["values"]
    return f"{number(min(values))} to {number(max(values))}" if len(values) > 1 else ""


def table(heads: list[str], rows: list[list[str]]) -> str:
    """A Markdown table."""
    lines = [f"| {' | '.join(row)} |" for row in [heads, *rows]]
    return "\n".join([lines[0], "|---" * len(heads) + "|", *lines[1:]])


def machine_line(result: dict[str, Any]) -> str:
    """Hardware and versions in a sentence."""
    versions = ", ".join(f"{name.replace('_', ' ')} {version}" for name, version in result["versions"].items())
    quick = " **A quick run, too short for numbers to quote.**" if result["quick"] else ""
    count = result["threads"]
    threads, rounds = f"{count} thread{'s' * (count != 1)}", f"{result['rounds']} rounds"
    return f"{result['hardware']['line']}; {threads}; {versions}; {rounds}.{quick}"


def case_table(found: Measurements, case: str) -> str:
    """The rates of the machine, the ways to do a step, and the memory, for one backbone and batch."""
    ours = {name.split(": ", 1)[1]: each for name, each in found.items() if name.startswith(f"{case}: ")}
    rates = [
        f"{name.removeprefix('matrix product, ')} {number(median(each))}"
        for name, each in ours.items()
        if each["unit"] == "GFLOP/s"
    ]
    memory = [
        f"{name.removeprefix('memory of ')} {number(median(each))}"
        for name, each in ours.items()
        if each["unit"] == "MiB"
    ]
    steps = {name: each for name, each in ours.items() if each["unit"] == "ms per step"}
    rows = [
        [
            name,
            number(median(each)),
            spread(each),
            number(1000 * each["images"] / median(each)),
            f"{share_of_rate(found, f'{case}: {name}'):.0%}",
        ]
        for name, each in steps.items()
    ]
    backbone, batch = case.split(" ")
    gflop = next(iter(steps.values()))["gflop"]
    heads = ["way, precision", "ms per step", "min to max", "images/s", "share of the rate"]
    return (
        f"`{backbone}`, batch {batch}: {number(gflop)} GFLOP per step. The machine's matrix products, in the same "
        f"rounds, GFLOP/s: {'; '.join(rates)}.\n\n{table(heads, rows)}\n\n"
        f"Most memory of the bare loop, MiB: {'; '.join(memory)}."
    )


def part_of_backbone(found: Measurements, backbone: str) -> str:
    """All batch sizes of a backbone."""
    cases = dict.fromkeys(name.split(":")[0] for name in found if name.startswith(f"{backbone} "))
    return "\n\n".join(case_table(found, case) for case in cases)


def part_of_loader(found: Measurements) -> str:
    """The loader alone."""
    ours = {name.removeprefix("loader: "): each for name, each in found.items() if name.startswith("loader: ")}
    rows = [[name, number(median(each)), spread(each)] for name, each in ours.items()]
    return table(["images", "images/s", "min to max"], rows)


def curve_row(found: Measurements, curve: str, label: str, unit: str) -> str:
    """A curve as a small table: x above, the medians below."""
    points = points_of(found, curve)
    middles = [median({"values": values}) for values in points.values()]
    return table([label, *map("{:,}".format, points)], [[unit, *map(number, middles)]])


def part_of_scaling(found: Measurements) -> str:
    """All curves as tables."""
    pieces = [curve_row(found, name, curve.label, "ms per step") for name, curve in STEP_CURVES.items()]
    of_tables = {
        "images_per_second": "loader alone, images/s",
        "own_mib": "its own memory in training, MiB",
        "peak_mib": "peak with pages of the file, MiB",
    }
    pieces += [curve_row(found, f"{key} of a table", "images of the table", unit) for key, unit in of_tables.items()]
    for name in ("encode_beta", "classify_groups"):
        pieces.append(curve_row(found, f"{name} of groups", f"groups, `{name}`", "s"))
    return "\n\n".join(pieces)


def part_of_targets(found: Measurements) -> str:
    """What was asked, what was found."""
    rows = []
    for verdict in verdicts(found):
        sign = "≥" if verdict.target.at_least else "≤"
        remark = f" ({verdict.remark})" if verdict.remark else ""
        rows.append(
            [
                verdict.target.text,
                f"{sign} {verdict.target.limit:.2f}",
                f"{verdict.value:.2f}{remark}",
                "pass" if verdict.passed else "**miss**",
            ]
        )
    return table(["target", "asked", "measured", ""], rows) if rows else "No target is about what was run."


def sections(result: dict[str, Any]) -> dict[str, str]:
    """Markdown by part; the targets first."""
    found = result["measurements"]
    parts = {name: part_of_backbone(found, name) for name in ("mlp", "conv") if name in result["parts"]}
    if "loader" in result["parts"]:
        parts["loader"] = part_of_loader(found)
    if "scaling" in result["parts"]:
        parts["scaling"] = part_of_scaling(found)
    line = machine_line(result)
    return {name: f"{content}\n\n{line}" for name, content in {"targets": part_of_targets(found), **parts}.items()}


def fill(result: dict[str, Any], doc: Path) -> None:
    """Puts the sections of what was run into a document, and the pictures into ``figures/`` beside it.

    The targets are replaced by a run of everything alone.
    """
    contents = sections(result)
    if set(result["parts"]) != set(PARTS):
        del contents["targets"]
    if "scaling" in contents:
        paths = save_figures(result["measurements"], doc.parent / "figures")
        pictures = [f"![{path.stem.replace('_', ' of ')}](figures/{path.name})" for path in paths]
        contents["scaling"] = "\n\n".join([*pictures, contents["scaling"]])
    for name, content in contents.items():
        replace_section(doc, SECTION.format(name), content)
