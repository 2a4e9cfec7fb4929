"""Tables of the reproduction page over several runs: those of the report, one below the other, and the runs."""

import itertools
from collections.abc import Sequence

from ugvae.evaluation.classification import PERMUTED, PIXELS
from ugvae.evaluation.controls import FITTED, UNTRAINED
from ugvae.evaluation.results import read_results
from ugvae.evaluation.verdict import SAME_SAMPLE, SAMPLE
from ugvae.experiments.paper.accuracy_tables import CHANCE, PAPER, accuracies
from ugvae.experiments.paper.reproduction.commands import train_command
from ugvae.experiments.paper.reproduction.families import Family
from ugvae.experiments.paper.table import Row, Table, code, number, over_seeds
from ugvae.experiments.paper.tables import tables_of
from ugvae.machine import clock
from ugvae.runs.advice import advised
from ugvae.runs.folder import RunFolder

FEATURES = (  # of Table 1, what the page shows of them
    SAMPLE,
    PAPER,
    f"{UNTRAINED} {SAMPLE}",
    f"{FITTED} {SAMPLE}",
    SAME_SAMPLE,
    f"{SAMPLE}{PERMUTED}",
    "beta mean",
    f"{UNTRAINED} beta mean",
    PIXELS,
    CHANCE,
)


def classification(settings: Sequence[Family]) -> str | None:
    """Accuracies of table1 and the series: a line per task and kernel; None if none was measured."""
    rows: list[Row] = []
    runs = [(family.name, run) for family in settings for run in family.runs]
    for (family_name, run), command in itertools.product(runs, ("table1", "series")):
        paper = run.results.get(command, {}).get("paper", {})
        for name, scores in getattr(read_results(run.results), command).items():
            for line in accuracies(name, scores, paper.get(name, {})).transposed("groups, SVM"):
                features = {feature: line[feature] for feature in FEATURES if feature in line}
                groups = f"{name}: {line['groups, SVM']}"
                rows.append({"run": family_name, "groups, SVM": groups, **features, "re-splits": len(scores.seeds)})
    return Table("", over_seeds(rows)).markdown() if rows else None


def of_runs(settings: Sequence[Family], command: str) -> str | None:
    """The first table of a command in the report, of all runs in one; None if none was measured."""
    rows = [
        {"run": f"{family.name}, {run.model}", **row}
        for family in settings
        for run in family.runs
        for table in tables_of(command, read_results(run.results), {})[:1]
        for row in table.rows
    ]
    return Table("", over_seeds(rows)).markdown() if rows else None


def test_bounds(settings: Sequence[Family]) -> str | None:
    """The test ELBO of settings that were trained with several seeds; None if there is none."""
    rows = [
        {
            "run": f"{family.name}, {run.model}",
            "test ELBO, nats per image": number(run.test["metrics"].get("test/elbo")),
        }
        for family in settings
        for run in family.runs
        if len(family.runs) > 1 and run.test
    ]
    return Table("", over_seeds(rows)).markdown() if rows else None


def runs_table(runs: Sequence[RunFolder]) -> str:
    """Data, groups, seed, epochs, time, machine and test ELBO of each run, and below the commands; Markdown."""
    rows = []
    for run in runs:
        per_step, size, kind = map(run.data_settings.get, ("groups_per_batch", "group_size", "grouping"))
        seconds, how = run.seconds
        estimated = " (estimated)" if how.startswith("estimated") else ""
        elbo = (run.test or {}).get("metrics", {}).get("test/elbo")
        rows.append(
            {
                "run": run.name,
                "data": run.data,
                "model": run.model,
                "groups": f"{per_step} × {size}, {kind}",
                "seed": run.config.get("seed_everything"),
                "epochs": run.epochs,
                "training time": "not stored" if seconds is None else f"{clock(seconds)}{estimated}",
                "machine": ((run.trained or {}).get("hardware") or {}).get("line", "not stored"),
                "test ELBO, nats per image": "not run" if elbo is None else number(elbo, 1),
            }
        )
    commands = []
    for run in runs:
        lines = [train_command(run), advised("evaluate", run.shown)]
        lines += [entry["command"] for entry in run.commands.values() if _has_options(entry.get("command"))]
        commands.append(f"- {run.name}: {', then '.join(map(code, lines))}")
    return "\n\n".join([Table("", rows).markdown(), "\n".join(commands)])


def _has_options(command: str | None) -> bool:
    """Whether a command was called with more than the run: ``all`` does not make the same."""
    return command is not None and command.partition("--run")[2].strip().count(" ") > 0
