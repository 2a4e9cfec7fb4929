"""The report: one self-contained HTML page of all that lies in a run's folder.

``report.html`` needs no network and no other file: pictures, curves and style are in it. It shows what is there and
says what is not, why, and by which command it is made; it computes nothing but the verdict.
"""

import time
from pathlib import Path

from experiments.paper.registry import FIGURES, TABLES
from experiments.paper.report import sections as make
from experiments.paper.report.page import page
from experiments.paper.report.tables import is_table
from ugvae.evaluation.verdict import verdict
from ugvae.machine import clock
from ugvae.runs.files import atomic_path
from ugvae.runs.folder import RunFolder, read_run


def report(run: Path) -> None:
    """The report: one self-contained HTML page of all that lies in a run's folder.

    Args:
        run: folder of a run; report.html is written into it
    """
    folder = read_run(run)
    known = {name: command.title for name, command in (TABLES | FIGURES).items()}
    path = run / "report.html"
    content = render(folder, known)
    with atomic_path(path) as temporary:
        temporary.write_text(content, encoding="utf-8")
    print(f"Wrote {path}, {path.stat().st_size / 2**20:.1f} MiB", flush=True)


def render(folder: RunFolder, known: dict[str, str]) -> str:
    """The page as text.

    Args:
        folder: what was read of the run.
        known: every command of ``experiments.paper`` with its title.
    """
    names = list(
        dict.fromkeys([*(name for name in known if name in folder.commands), *folder.commands, *folder.results])
    )
    tables = [name for name in names if is_table(folder.results.get(name, {}))]
    figures = [name for name in names if name not in tables]
    sections = [
        make.verdict_section(verdict(folder.results)),
        make.command_section(folder, tables, "tables", "Tables and measurements"),
        make.command_section(folder, figures, "figures", "Figures of the paper"),
        make.test_section(folder),
        make.training_section(folder),
        make.training_figures(folder),
        make.absent_section(folder, known),
        make.settings_section(folder),
    ]
    seconds, _ = folder.seconds
    trained = "" if seconds is None else f", trained in {clock(seconds)}"
    machine = (folder.trained or {}).get("hardware", {}).get("line")
    lead = (
        f"Run {folder.name}, {folder.epochs} epochs{trained}{f' on {machine}' if machine else ''}. "
        "Numbers beside the paper's, and beside their controls."
    )
    now = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime())
    made = f"Made {now} from the files of {folder.name} by python -m experiments.paper report --run {folder.shown}"
    return page(f"{folder.model} on {folder.data}", lead, [each for each in sections if each is not None], made)
