"""The claims of the paper beside what was measured in given runs, written into a section of a Markdown page.

Every number is read from the JSON of the runs; ``make evaluate`` makes that. A claim that no run measures is said to
be so, with what would measure it.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from experiments.paper.reproduction import tables
from experiments.paper.reproduction.claims import CLAIMS, HOLDS, Claim
from experiments.paper.reproduction.markdown import code, table
from experiments.paper.reproduction.pictures import pictures
from ugvae.errors import ConfigError
from ugvae.runs.files import replace_section
from ugvae.runs.folder import RunFolder, read_run

SECTION = "claims"
PICTURES = ("fig3.png", "translation_examples.png")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The runs and the page."""
    parser.add_argument("--runs", nargs="+", type=Path, required=True, metavar="DIR", help="folders of runs")
    parser.add_argument("--doc", type=Path, default=Path("docs/reproduction.md"), help="page with a section 'claims'")
    parser.add_argument("--pictures", nargs="*", default=list(PICTURES), metavar="FILE", help="of <run>/paper to show")


def run(options: argparse.Namespace) -> None:
    """Fills the section and says what it holds.

    Raises:
        ConfigError: a folder is no run's, two have one name, or the page has no such section.
    """
    runs = [read_run(directory) for directory in options.runs]
    names = [each.name for each in runs]
    if len(set(names)) < len(names):
        raise ConfigError(f"runs: each run once, got {', '.join(names)}")
    replace_section(options.doc, SECTION, section(runs))  # first: without the section no picture is copied
    shown = pictures(runs, options.pictures, options.doc)
    if shown:
        replace_section(options.doc, SECTION, f"{section(runs)}\n\n### Pictures\n\n{shown}")
    measured = sum(1 for claim in CLAIMS if any(claim.measure(runs)))
    print(f"Wrote {options.doc}: {measured} of {len(CLAIMS)} claims measured in {len(runs)} runs", flush=True)


def section(runs: Sequence[RunFolder]) -> str:
    """The claims, then the numbers behind them, then the runs."""
    command = f"python -m experiments.paper reproduction --runs {' '.join(each.shown for each in runs)}"
    parts = [
        "## The claims of the paper",
        "What each run says of each claim, by fixed rules on its numbers (`src/ugvae/evaluation/verdict.py`), always "
        f"against a control. Written by {code(command)}.",
        *(_claim(claim, runs) for claim in CLAIMS),
    ]
    found = {
        "Table 1 and Fig. 14, accuracy on held-out groups": tables.table1(runs),
        "Translation between domains, shares of held-out images": tables.translation(runs),
        "Use of beta on held-out groups": tables.use(runs),
    }
    for title, text in found.items():
        parts.append(f"### {title}\n\n{text or 'Not measured in these runs.'}")
    parts.append(f"### The runs\n\n{tables.runs_table(runs)}")
    damaged = [f"{each.name}/{file}" for each in runs for file in each.damaged]
    if damaged:
        parts.append(f"Left out, since damaged: {', '.join(damaged)}.")
    return "\n\n".join(parts)


def _claim(claim: Claim, runs: Sequence[RunFolder]) -> str:
    rows = [[each.run, HOLDS[each.holds], each.because, each.control] for each in claim.measure(runs)]
    title = f"### {claim.title[0].upper()}{claim.title[1:]}\n\n{claim.figures} of the paper."
    if not rows:
        return f"{title} **Not measured** in these runs: it takes {claim.needs}."
    return f"{title}\n\n{table(['run', 'the claim', 'measured', 'control'], rows)}"
