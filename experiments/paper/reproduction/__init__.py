"""The claims of the paper beside what was measured in given runs, written into a section of a Markdown page.

Every number is read from the JSON of the runs, which ``make evaluate`` writes. A claim that no run measures is listed
with what would measure it.
"""

from collections.abc import Sequence
from pathlib import Path

from experiments.paper.reproduction import tables
from experiments.paper.reproduction.claims import CLAIMS, HOLDS, Claim
from experiments.paper.reproduction.pictures import copy_pictures
from experiments.paper.table import Table, code
from ugvae.errors import ConfigError
from ugvae.evaluation.results import read_results
from ugvae.runs.files import replace_section
from ugvae.runs.folder import RunFolder, read_run

SECTION = "claims"
PICTURES = ("fig3.png", "translation_examples.png")


def reproduction(
    runs: list[Path], doc: Path = Path("docs/reproduction.md"), pictures: Sequence[str] = PICTURES
) -> None:
    """The claims of the paper beside what was measured in given runs, written into a section of a Markdown page.

    Args:
        runs: folders of runs
        doc: page with a section 'claims'
        pictures: files of <run>/paper to show

    Raises:
        ConfigError: a folder is no run's, two have one name, or the page has no such section.
    """
    folders = read_runs(runs)
    replace_section(doc, SECTION, section(folders))  # first: without the section no picture is copied
    if shown := copy_pictures(folders, pictures, doc):
        replace_section(doc, SECTION, f"{section(folders)}\n\n### Pictures\n\n{shown}")
    measured = sum(1 for claim in CLAIMS if any(claim.measure(folders)))
    print(f"Wrote {doc}: {measured} of {len(CLAIMS)} claims measured in {len(runs)} runs", flush=True)


def read_runs(directories: Sequence[Path]) -> list[RunFolder]:
    """Reads one or more runs, each of another name.

    Raises:
        ConfigError: no run, a folder that is no run's, or one name twice.
    """
    folders = [read_run(directory) for directory in directories]
    names = [folder.name for folder in folders]
    if not names or len(set(names)) < len(names):
        raise ConfigError(f"runs: expected one or more, each run once, got {', '.join(names) or 'none'}")
    return folders


def section(runs: Sequence[RunFolder]) -> str:
    """The claims, then the numbers behind them, then the runs."""
    command = f"python -m experiments.paper reproduction --runs {' '.join(run.shown for run in runs)}"
    parts = [
        "## The claims of the paper",
        "What each run says of each claim, by fixed rules on its numbers (`src/ugvae/evaluation/verdict.py`), always "
        f"against a control. Written by {code(command)}.",
        *(_claim(claim, runs) for claim in CLAIMS),
    ]
    measured = {
        "Table 1 and Fig. 14, accuracy on held-out groups": tables.classification(runs),
        "Translation between domains, shares of held-out images": tables.of_runs(runs, "translation"),
        "Use of beta on held-out groups": tables.of_runs(runs, "latent_use"),
    }
    parts += [f"### {title}\n\n{table or 'Not measured in these runs.'}" for title, table in measured.items()]
    parts.append(f"### The runs\n\n{tables.runs_table(runs)}")
    damaged = [f"{run.name}/{file}" for run in runs for file in run.damaged]
    damaged += [f"{run.name}/paper/{name}.json" for run in runs for name in read_results(run.results).unreadable]
    if damaged:
        parts.append(f"Left out, since damaged: {', '.join(damaged)}.")
    return "\n\n".join(parts)


def _claim(claim: Claim, runs: Sequence[RunFolder]) -> str:
    rows = [
        {"run": line.run, "the claim": HOLDS[line.holds], "measured": line.because, "control": line.control}
        for line in claim.measure(runs)
    ]
    title = f"### {claim.title[0].upper()}{claim.title[1:]}\n\n{claim.figures} of the paper."
    if not rows:
        return f"{title} **Not measured** in these runs: it takes {claim.needs}."
    return f"{title}\n\n{Table('', rows).markdown()}"
