"""Translation by models with a global latent, over training seeds, beside what their betas know."""

from pathlib import Path

from ugvae.errors import ConfigError
from ugvae.evaluation.results import read_results
from ugvae.evaluation.ways import LABELS, PLAIN
from ugvae.experiments.paper.reproduction import read_runs
from ugvae.experiments.paper.table import Row, Table, number, over_seeds
from ugvae.runs.advice import advised
from ugvae.runs.files import replace_section
from ugvae.runs.folder import RunFolder

SECTION = "translations"


def translations(runs: list[Path], doc: Path = Path("docs/neighbours.md")) -> None:
    """Translation by several models, over training seeds, beside the information of their betas.

    Fills a section of a page. Runs of one model become one row for every way to carry z: they should differ in nothing
    but the training seed.

    Args:
        runs: folders of runs
        doc: page with a section 'translations'

    Raises:
        ConfigError: a folder is no run's or has no result of ``translation``, or the page has no such section.
    """
    table = Table("", over_seeds(row for run in read_runs(runs) for row in rows(run)))
    replace_section(doc, SECTION, table.markdown())
    print(f"Wrote {doc}: {len(runs)} runs", flush=True)


def rows(run: RunFolder) -> list[Row]:
    """A row for every way to carry z, of the worse direction; information in nats per group, where it was measured.

    Raises:
        ConfigError: the run has no result of ``translation``.
    """
    results = read_results(run.results)
    result = results.translation
    if result is None:
        raise ConfigError(f"runs: {run.shown} has no result of translation; {advised('evaluate', run.shown)}")
    used = {name: use.beta and use.beta.information for name, use in results.latent_use.items()}
    known = {f"information of beta, {name}": number(parts.information, 1) for name, parts in used.items() if parts}
    return [
        {
            "model": run.model,
            "z": LABELS[way],
            "translated": number(result.worst("domain", way)),
            "of it by the other beta": number(result.earned(way)),
            "kept": number(result.kept(way)),
            "kept by reconstruction": number(result.kept(PLAIN)),
            **known,
        }
        for way in result.ways
    ]
