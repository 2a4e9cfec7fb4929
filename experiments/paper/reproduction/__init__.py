"""The claims of the paper beside what was measured in given runs, written into a section of a Markdown page.

Every number is read from the JSON of the runs, which ``ugvae evaluate`` writes. A claim that no run measures is listed
with what would measure it. Errors are sample s.d. over training seeds: a run of one seed has none.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path

from jsonargparse.typing import PositiveInt

from ugvae.errors import ConfigError
from ugvae.evaluation.results import read_results
from ugvae.evaluation.statements import Holds
from ugvae.experiments.paper.reproduction import tables
from ugvae.experiments.paper.reproduction.claims import CLAIMS, HOLDS, Claim
from ugvae.experiments.paper.reproduction.families import Family, families, train_and_evaluate
from ugvae.experiments.paper.reproduction.pictures import copy_pictures
from ugvae.experiments.paper.table import Table, code
from ugvae.runs.files import replace_section
from ugvae.runs.folder import RunFolder, read_run

SECTION = "claims"
PICTURES = ("fig3.png", "translation_examples.png")


def reproduction(
    runs: list[Path],
    doc: Path = Path("docs/reproduction_tables.md"),
    pictures: Sequence[str] = PICTURES,
    seeds: PositiveInt | None = None,
) -> None:
    """The claims of the paper beside what was measured in given runs, written into a section of a Markdown page.

    Args:
        runs: folders of runs; with --seeds names of experiments too
        doc: page with a section 'claims'
        pictures: files of <run>/paper to show
        seeds: training seeds of each run; those that are missing are trained and evaluated like the run

    Raises:
        ConfigError: a folder is no run's, two have one name, or the page has no such section.
        SystemExit: training or evaluation failed or was interrupted; called again it goes on there.
    """
    if seeds:
        runs = list(dict.fromkeys(trained for run in runs for trained in train_and_evaluate(run, seeds)))
    settings = families(read_runs(runs))
    replace_section(doc, SECTION, section(settings))  # first: without the section no picture is copied
    if shown := copy_pictures([family.runs[0] for family in settings], pictures, doc):
        replace_section(doc, SECTION, f"{section(settings)}\n\n### Pictures\n\n{shown}")
    measured = sum(1 for claim in CLAIMS if any(claim.measure(settings)))
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


def section(settings: Sequence[Family]) -> str:
    """The claims, then the numbers behind them, then the runs."""
    runs = [run for family in settings for run in family.runs]
    command = f"ugvae paper reproduction --runs {' '.join(run.shown for run in runs)}"
    parts = [
        "## The claims of the paper",
        "What each run says of each claim, by fixed rules on its numbers (`src/ugvae/evaluation/verdict.py`), always "
        "against a control. Errors (±) are the sample s.d. over training seeds; a run of one seed has none. Written by "
        f"{code(command)}.",
        *(_claim(claim, settings) for claim in CLAIMS),
    ]
    measured = {
        "Table 1 and Fig. 14, accuracy on held-out groups": tables.classification(settings),
        "Translation between domains, shares of held-out images": tables.of_runs(settings, "translation"),
        "Use of beta on held-out groups": tables.of_runs(settings, "latent_use"),
    }
    parts += [f"### {title}\n\n{table or 'Not measured in these runs.'}" for title, table in measured.items()]
    if bounds := tables.test_bounds(settings):
        parts.append(f"### Test ELBO over training seeds\n\n{bounds}")
    parts.append(f"### The runs\n\n{tables.runs_table(runs)}")
    damaged = [f"{run.name}/{file}" for run in runs for file in run.damaged]
    damaged += [f"{run.name}/paper/{name}.json" for run in runs for name in read_results(run.results).unreadable]
    if damaged:
        parts.append(f"Left out, since damaged: {', '.join(damaged)}.")
    return "\n\n".join(parts)


def _claim(claim: Claim, settings: Sequence[Family]) -> str:
    alone = _verdicts_of_seeds(claim, settings)
    named = {family.mean.name: family for family in settings}
    rows, seen = [], Counter()
    for line in claim.measure(settings):
        verdicts = alone[line.run, seen[line.run]]
        seen[line.run] += 1
        several = len(named[line.run].runs) > 1
        same = f" ({verdicts[line.holds]} of {verdicts.total()} seeds alone)" if several else ""
        rows.append(
            {
                "run": named[line.run].name,
                "the claim": f"{HOLDS[line.holds]}{same}",
                "measured": line.because if several else without_spread(line.because),
                "control": line.control if several else without_spread(line.control),
            }
        )
    title = f"### {claim.title[0].upper()}{claim.title[1:]}\n\n{claim.figures} of the paper."
    if not rows:
        return f"{title} **Not measured** in these runs: it takes {claim.needs}."
    return f"{title}\n\n{Table('', rows).markdown()}"


def _verdicts_of_seeds(claim: Claim, settings: Sequence[Family]) -> dict[tuple[str, int], Counter[Holds]]:
    """How often each verdict comes of a single seed, by the name of the first run and the number of the statement."""
    verdicts: dict[tuple[str, int], Counter[Holds]] = defaultdict(Counter)
    for number in range(max(len(family.runs) for family in settings)):
        of_seed = [family for family in settings if number < len(family.runs)]
        first = {family.runs[number].name: family.mean.name for family in of_seed}
        seen: Counter[str] = Counter()
        for line in claim.measure([Family([family.runs[number]]) for family in of_seed]):
            verdicts[first[line.run], seen[line.run]][line.holds] += 1
            seen[line.run] += 1
    return verdicts


def without_spread(text: str) -> str:
    """A sentence about one training seed without its spreads: those over re-splits of one test set are no errors.

    Example:
        >>> without_spread("0.40 ± 0.06 against 0.27 ± 0.04 (untrained)")
        '0.40 against 0.27 (untrained)'
    """
    return re.sub(r" ± \d+(\.\d+)?", "", text)
