"""The report: one self-contained HTML page of all that lies in a run's folder.

``report.html`` needs no network and no other file: pictures, curves, style and the script of the walk are in it. It
shows what is there and says what is not, why, and by which command it is made; it computes nothing but the verdict.
"""

import time
from collections.abc import Mapping
from pathlib import Path

import jinja2
import yaml

from ugvae.evaluation.results import read_results
from ugvae.evaluation.verdict import verdict
from ugvae.experiments.paper.registry import FIGURES, TABLES
from ugvae.experiments.paper.report import sections
from ugvae.experiments.paper.report.numbers import split_table
from ugvae.experiments.paper.report.pictures import curves
from ugvae.experiments.paper.report.walk import Walk
from ugvae.machine import clock
from ugvae.plots.curves import PER_GROUP
from ugvae.runs.advice import advised, paper_command
from ugvae.runs.files import atomic_path
from ugvae.runs.folder import RunFolder, read_run
from ugvae.runs.weights_and_biases import add_results

HOLDS = {"yes": "Holds", "partly": "Holds in part", "no": "Does not hold", "not measured": "Not measured"}


def report(run: Path) -> None:
    """The report: one self-contained HTML page of all that lies in a run's folder.

    Args:
        run: folder of a run; report.html is written into it
    """
    path = run / "report.html"
    content = render(read_run(run), {name: command.title for name, command in (TABLES | FIGURES).items()})
    with atomic_path(path) as temporary:
        temporary.write_text(content, encoding="utf-8")
    add_results(run, {}, artifacts={"report": path})
    print(f"Wrote {path}, {path.stat().st_size / 2**20:.1f} MiB", flush=True)


def render(run: RunFolder, known: Mapping[str, str]) -> str:
    """The page as text; all that is not markup of the template is escaped.

    Args:
        run: what was read of the run.
        known: every command of ``ugvae paper`` with its title.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    results = read_results(run.results)
    parts = sections.parts(run, results, known)
    seconds, _ = run.seconds
    trained = "" if seconds is None else f", trained in {clock(seconds)}"
    machine = (run.trained or {}).get("hardware", {}).get("line")
    return environment.get_template("page.html.j2").render(
        run=run,
        advised=advised,
        paper_command=paper_command,
        title=f"{run.model} on {run.data}",
        lead=f"Run {run.name}, {run.epochs} epochs{trained}{f' on {machine}' if machine else ''}. "
        "Numbers beside the paper's, and beside their controls.",
        now=time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
        holds=HOLDS,
        statements=verdict(read_results({name: run.results[name] for name in run.results.keys() - run.stale})),
        commands=[
            ("tables", "Tables and measurements", [part for part in parts if part.tables]),
            ("figures", "Figures of the paper", [part for part in parts if not part.tables]),
        ],
        walks=[shown for part in parts for shown in part.pictures if isinstance(shown, Walk)],
        test=run.test and split_table(run.test),
        facts=list(sections.training_facts(run)),
        curves=list(curves(run.metrics, (run.trained or {}).get("per_group_terms", PER_GROUP))),
        pictures=list(sections.training_pictures(run)),
        absent=sections.absent(run, known),
        damaged={**run.damaged, **{f"paper/{name}.json": why for name, why in results.unreadable.items()}},
        settings=sections.settings_table(run),
        config=yaml.safe_dump(dict(run.config), sort_keys=False, allow_unicode=True),
    )
