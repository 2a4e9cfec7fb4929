"""Translation by models with a global latent, over training seeds, beside what their betas know."""

import statistics
from collections.abc import Sequence
from pathlib import Path

from ugvae.errors import ConfigError
from ugvae.evaluation.controls import NATS, UNTRAINED
from ugvae.evaluation.crossed import SHOWN
from ugvae.evaluation.results import read_results
from ugvae.evaluation.translation import Translation
from ugvae.evaluation.verdict import SAME_SAMPLE, SAMPLE, best
from ugvae.evaluation.ways import LABELS, PLAIN
from ugvae.experiments.paper.reproduction import read_runs
from ugvae.experiments.paper.table import Row, Table, number, over_seeds
from ugvae.runs.advice import advised
from ugvae.runs.files import replace_section
from ugvae.runs.folder import RunFolder

SECTION = "translations"


def translations(runs: list[Path], doc: Path = Path("docs/neighbours.md"), section: str = SECTION) -> None:
    """Translation by several models, over training seeds, beside the information of their betas.

    Fills a section of a page. Runs of one experiment become one row for every way to carry z: they should differ in
    nothing but the training seed. Where the data have the true images, a second table compares with these. Where
    ``groups`` was measured, another says how well groups are told apart by beta, and at which information.

    Args:
        runs: folders of runs
        doc: page with the section
        section: its name

    Raises:
        ConfigError: a folder is no run's or has no result of ``translation``, or the page has no such section.
    """
    folders = read_runs(runs)
    made = [[row for run in folders for row in of_run(run)] for of_run in (rows, true_images)] + [told_apart(folders)]
    tables = [Table("", over_seeds(table)).markdown() for table in made if table]
    replace_section(doc, section, "\n\n".join(tables))
    print(f"Wrote {doc}: {len(runs)} runs", flush=True)


def rows(run: RunFolder) -> list[Row]:
    """A row for every way to carry z, of the worse direction; information in nats per group, where it was measured.

    What is kept is the content where a judge knows it; else each reading, as a share of what a reconstruction keeps.

    Raises:
        ConfigError: the run has no result of ``translation``.
    """
    result = translation_of(run)
    used = {name: use.beta and use.beta.information for name, use in read_results(run.results).latent_use.items()}
    known = {f"information of beta, {name}": number(parts.information, 1) for name, parts in used.items() if parts}
    return [
        {
            "run": experiment(run),
            "z": LABELS[way],
            "translated": number(result.worst("domain", way)),
            "translated, beyond the own beta": number(result.earned(way)),
            "kept": number(result.kept(way)),
            "kept by reconstruction": number(result.kept(PLAIN)),
            **({} if "content" in result.judges else readings(result, way)),
            **known,
        }
        for way in result.ways
    ]


def readings(result: Translation, way: str) -> Row:
    """What is read of translations, such as light, over what is read of reconstructions; of the worse direction."""
    return {name: number(share) for name, share in result.shares_of_reference(way).items() if name != "retrieval"}


def true_images(run: RunFolder) -> list[Row]:
    """A row for every way to carry z and for its controls, mean of all pairs of domains; none without true images."""
    result = translation_of(run).crossed
    if result is None:
        return []
    means = {shown: result.mean(shown) for shown in result.pairs}
    return [
        {
            "run": experiment(run),
            "against the true image": SHOWN.get(shown, shown),
            "error of a pixel": number(mean.rmse, 3),
            "over that of the reconstruction": number(mean.rmse / means[PLAIN].rmse),
            f"{result.column} judged right": number(mean.domain),
            "in the worst pair": number(result.worst(shown).domain),
            f"{result.content} found": number(mean.content),
        }
        for shown, mean in means.items()
    ]


def told_apart(runs: Sequence[RunFolder]) -> list[Row]:
    """A row for every run and column whose groups were told apart by a sample of beta; accuracies of the better kernel.

    The information is that on the groups told apart, in nats (``gaussian_information``), the mean over re-splits. The
    accuracies at some nats are of betas brought to these by a scale of their means, which makes noise larger or
    smaller: so models are compared at one information, where the betas of all runs reach it.
    """
    measured = [(run, name, result) for run in runs for name, result in read_results(run.results).groups.items()]
    rows: list[Row] = []
    for run, name, result in measured:
        alike = [other.accuracy["kinds"] for _, column, other in measured if column == name]
        levels = [
            feature
            for feature in alike[0]
            if feature.endswith(NATS)
            and all({feature, feature.removeprefix(f"{UNTRAINED} ")} <= told.keys() for told in alike)
        ]
        nats = result.information and statistics.fmean(result.information)
        row = {"groups told apart": name, "run": experiment(run), "information of beta": number(nats, 1)}
        for feature in (SAMPLE, SAME_SAMPLE, *levels):
            reached = best(result.accuracy["kinds"], [feature])
            row[feature] = number(reached and reached.accuracy.mean)
        rows.append({**row, "chance": number(result.chance["kinds"])})
    return sorted(rows, key=lambda row: str(row["groups told apart"]))


def translation_of(run: RunFolder) -> Translation:
    """What ``translation`` measured.

    Raises:
        ConfigError: nothing.
    """
    result = read_results(run.results).translation
    if result is None:
        raise ConfigError(f"runs: {run.shown} has no result of translation; {advised('evaluate', run.shown)}")
    return result


def experiment(run: RunFolder) -> str:
    """The folder of a run's versions, which training seeds share."""
    return run.directory.resolve().parent.name
