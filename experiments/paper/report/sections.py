"""What the sections of the report say, as plain data for its template; nothing is computed."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from ugvae.evaluation.results import RunResults
from ugvae.experiments.paper.report.numbers import everything
from ugvae.experiments.paper.report.pictures import Picture, read_picture
from ugvae.experiments.paper.report.settings import changed
from ugvae.experiments.paper.report.walk import Walk, read_walk
from ugvae.experiments.paper.table import ABSENT, Table, code
from ugvae.experiments.paper.tables import tables_of
from ugvae.machine import clock
from ugvae.plots.captions import caption_of
from ugvae.runs.advice import paper_command
from ugvae.runs.folder import RunFolder

LONGEST_ENTRY = 28  # letters in a line of the contents
DRAWN_AS_CURVES = "curves"  # figures/curves.png, which the page draws itself
WALK, WALKED = "walk_sheet", ("fig3_aggregate",)  # the command of the walk, and pictures in place of which it stands


@dataclass(frozen=True)
class Part:
    """What one command left.

    Attributes:
        name: of the command.
        title: what it makes.
        pictures: its figures, and the walk to play with.
        tables: its numbers, where there is a table for them.
        numbers: all its numbers, where there is none.
        command: the command line; None if it was not stored.
        seconds: how long it took; None if it was not stored.
        stale: it is of a checkpoint that later training has replaced.
    """

    name: str
    title: str
    pictures: list[Picture | Walk]
    tables: list[Table]
    numbers: Table | None
    command: str | None
    seconds: float | None
    stale: bool

    @property
    def entry(self) -> str:
        """Its line of the contents: the title up to the colon; the command's name where that is long."""
        first = self.title.split(":")[0]
        return first if len(first) <= LONGEST_ENTRY else self.name.replace("_", " ").capitalize()


def parts(run: RunFolder, results: RunResults, known: Iterable[str]) -> list[Part]:
    """What the commands left that are done, in the order of the known ones; what left nothing is not there."""
    made, walks = [], _walks(run)
    in_place_of = WALKED if any(isinstance(walk, Walk) for walk in walks.values()) and WALK not in run.stale else ()
    for name in dict.fromkeys([*known, *run.commands, *run.results]):
        entry = run.commands.get(name, {})
        if entry.get("status", "done") == "done" and (name in run.commands or name in run.results):
            content = run.results.get(name, {})
            tables = tables_of(name, results, content)
            pictures = [
                walks.get(figure["file"]) or read_picture(run.directory / "paper" / figure["file"], figure["caption"])
                for figure in entry.get("figures", [])
                if not figure["file"].startswith(in_place_of)
            ]
            numbers = None if tables else everything(content)
            title, command = entry.get("title") or name, entry.get("command")
            if pictures or tables or numbers or command:
                stale, seconds = name in run.stale, entry.get("seconds")
                made.append(Part(name, title, pictures, tables, numbers, command, seconds, stale))
    return made


def _walks(run: RunFolder) -> dict[str, Walk | Picture]:
    """The walks to play with by their files; a picture with the reason where one is missing or damaged."""
    return {
        figure["file"]: read_walk(
            run.directory / "paper" / figure["file"], figure["caption"], run.results.get(WALK, {})
        )
        for figure in run.commands.get(WALK, {}).get("figures", [])
    }


def training_facts(run: RunFolder) -> Iterator[tuple[str, object]]:
    """Data, model, time, machine and versions, each with its name."""
    trained, settings = run.trained or {}, run.data_settings
    seconds, how = run.seconds
    yield "Data", run.data
    if "group_size" in settings:
        steps, kind = settings.get("groups_per_batch"), settings.get("grouping")
        yield "Groups", f"{steps} per step, of {settings['group_size']} images, {kind}"
    yield "Model", run.model
    yield "Seed", run.config.get("seed_everything", "not stored")
    yield "Epochs", "not stored" if run.epochs is None else run.epochs
    if "steps" in trained:
        yield "Optimiser steps", f"{trained['steps']:,}"
    yield "Training time", "not stored" if seconds is None else f"{clock(seconds)} ({how})"
    if (best := trained.get("best_val_elbo")) is not None:
        yield "Best validation ELBO", f"{best:,.2f} nats per image"
    machines = {session.get("hardware") for session in trained.get("sessions", [])} - {None}
    yield "Machine", " and ".join(sorted(machines)) or "not stored; training writes it into trained.json at its end"
    versions = trained.get("versions") or (run.test or {}).get("versions") or {}
    yield "Versions", ", ".join(f"{name} {value}" for name, value in versions.items()) or "not stored"


def training_pictures(run: RunFolder) -> Iterator[Picture]:
    """The figures of training, and those of ``paper/`` that no command names."""
    for path in sorted((run.directory / "figures").glob("*.png")):
        if path.stem != DRAWN_AS_CURVES or not run.metrics:
            yield read_picture(path, caption_of(path.stem))
    named = {figure["file"] for entry in run.commands.values() for figure in entry.get("figures", [])}
    for path in sorted((run.directory / "paper").glob("*.png")):
        if path.name not in named:
            yield read_picture(path, f"{path.stem}; made before captions were kept.")


def absent(run: RunFolder, known: Mapping[str, str]) -> Table | None:
    """Commands that do not apply, failed, or were not run; None if there is none.

    Args:
        run: what was read.
        known: every command of ``ugvae paper`` with its title.
    """
    entries = [{"title": name, **entry} for name, entry in run.commands.items() if entry.get("status") != "done"]
    entries += [
        {"title": title, "status": "not run", "command": paper_command(name, run.shown)}
        for name, title in known.items()
        if name not in run.commands and name not in run.results
    ]
    rows = [
        {
            "what": entry["title"],
            "state": entry.get("status"),
            "reason": entry.get("reason") or ABSENT,
            "command": code(entry.get("command") or ABSENT),
        }
        for entry in entries
    ]
    return Table("Figures and tables that this page does not have.", rows, wordy=True) if rows else None


def settings_table(run: RunFolder) -> Table:
    """What differs from the defaults."""
    rows = [
        {"setting": code(key), "this run": value, "default": default} for key, value, default in changed(run.config)
    ]
    return Table("Settings that differ from the defaults.", rows, wordy=True)
