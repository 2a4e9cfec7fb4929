"""Tables of the reproduction page: the runs, Table 1, translation, use of beta."""

from collections.abc import Sequence

from experiments.paper.report.tables import KERNELS, PAPER_FEATURE
from experiments.paper.reproduction.commands import train_command
from experiments.paper.reproduction.markdown import code, table
from ugvae.evaluation.classification import PERMUTED, PIXELS
from ugvae.evaluation.controls import FITTED, UNTRAINED
from ugvae.machine import clock
from ugvae.runs.folder import RunFolder

FEATURES = {  # of Table 1, what the page shows of them
    PAPER_FEATURE: "samples of beta",
    f"{UNTRAINED} {PAPER_FEATURE}": "untrained, samples",
    f"{FITTED} {PAPER_FEATURE}": "untrained, BatchNorm fitted, samples",
    f"{PAPER_FEATURE}{PERMUTED}": "labels permuted",
    "beta mean": "means of beta",
    f"{UNTRAINED} beta mean": "untrained, means",
    PIXELS: "mean pixel",
}
TASK = {"kinds": "", "kinds and random": " / random"}


def runs_table(runs: Sequence[RunFolder]) -> str:
    """Data, groups, seed, epochs, time, machine of each run, and below the commands."""
    rows = []
    for run in runs:
        settings, (seconds, how) = run.data_settings, run.seconds
        groups = f"{settings.get('groups_per_batch')} × {settings.get('group_size')}, {settings.get('grouping')}"
        estimated = " (estimated)" if how.startswith("estimated") else ""
        time = "not stored" if seconds is None else f"{clock(seconds)}{estimated}"
        machine = ((run.trained or {}).get("hardware") or {}).get("line", "not stored")
        elbo = (run.test or {}).get("metrics", {}).get("test/elbo")
        test = "not run" if elbo is None else f"{elbo:.1f}"
        seed = run.config.get("seed_everything")
        rows.append([run.name, run.data, run.model, groups, seed, run.epochs, time, machine, test])
    heads = [
        "run",
        "data",
        "model",
        "groups",
        "seed",
        "epochs",
        "training time",
        "machine",
        "test ELBO, nats per image",
    ]
    commands = []
    for run in runs:
        lines = [code(train_command(run)), code(f"make evaluate RUN={run.shown}")]
        typed = [entry["command"] for entry in run.commands.values() if _has_options(entry.get("command"))]
        commands.append(f"- {run.name}: {', then '.join([*lines, *map(code, typed)])}")
    return "\n\n".join([table(heads, rows), "\n".join(commands)])


def _has_options(command: str | None) -> bool:
    """Whether a command was called with more than the run: ``all`` does not make the same."""
    return command is not None and command.partition("--run")[2].strip().count(" ") > 0


def table1(runs: Sequence[RunFolder]) -> str | None:
    """Accuracies of table1 and the series: ours by samples, the paper's, the controls; None if none was measured."""
    rows = []
    for run in runs:
        for command in ("table1", "series"):
            result = run.results.get(command, {})
            for name, each in result.get("results", {}).items():
                for task, accuracies in each["accuracy"].items():
                    for kernel in KERNELS:
                        printed = result.get("paper", {}).get(name, {}).get(task, {}).get(kernel)
                        values = [accuracies.get(feature, {}).get(kernel) for feature in FEATURES]
                        ours, *others = ["—" if v is None else f"{v['mean']:.2f} ± {v['sd']:.2f}" for v in values]
                        label = f"{run.name}: {name}{TASK.get(task, task)}, {kernel}"
                        paper = "—" if printed is None else f"{printed:.2f}"
                        chance = f"{each['chance'][task]:.2f}"
                        rows.append([label, f"**{ours}**", paper, *others, chance, len(each["seeds"])])
    heads = ["groups, SVM", "**samples of beta**", "the paper", *list(FEATURES.values())[1:], "chance", "seeds"]
    return _filled(heads, rows)


def _filled(heads: Sequence[str], rows: Sequence[Sequence[object]]) -> str | None:
    """A table of those columns that have a value in any row; None without rows."""
    keep = [number for number, _ in enumerate(heads) if any(row[number] != "—" for row in rows)]
    return table([heads[n] for n in keep], [[row[n] for n in keep] for row in rows]) if rows else None


def translation(runs: Sequence[RunFolder]) -> str | None:
    """Rates of translation both ways, with fixed and transported z, and what is kept; None if none was measured."""
    rows = []
    for run in runs:
        result = run.results.get("translation")
        if result is None:
            continue
        names = result["domains"].get("names") or {side: str(result["domains"][side]) for side in "AB"}
        for direction, rates in result["rates"].items():
            said = direction.translate(str.maketrans(names))
            survives = result.get("survives", {}).get(direction, {})
            for way, rate in rates["domain"].items():
                content = rates.get("content", {}).get(way)
                found = survives.get("retrieval", {}).get(way)
                cells = ["—" if value is None else f"{value:.2f}" for value in (rate, content, found)]
                rows.append([f"{run.name}, {run.model}: {said}", way, *cells])
    heads = ["run and direction", "z", "judged to be of the target", "content kept", "source found again"]
    return _filled(heads, rows)


def use(runs: Sequence[RunFolder]) -> str | None:
    """KL, active units and swaps of beta; None if none was measured."""
    rows = []
    for run in runs:
        for name, each in run.results.get("latent_use", {}).get("results", {}).items():
            if beta := each.get("beta"):
                swap, other = each["swap_beta"], each["swap_z"]
                cells = [f"{beta['kl']['mean']:.1f}", f"{beta['active_units']} of {beta['dimensions']}"]
                cells += [f"{side[key]:.{places}f}" for side in (swap, other) for key, places in EFFECTS.items()]
                rows.append([f"{run.name}, {run.model}: {name}", *cells])
    heads = ["run and groups", "KL_beta, nats per group", "active units", "swap of beta: pixels", "nats per image"]
    return table([*heads, "swap of z: pixels", "nats per image"], rows) if rows else None


EFFECTS = {"pixels": 3, "log_likelihood_loss": 1}  # of a swap, with their decimal places
