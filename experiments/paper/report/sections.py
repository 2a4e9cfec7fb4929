"""Sections of the report. Each takes what was read of a run and gives its heading and content; nothing is computed."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import yaml

from experiments.paper.report.curves import curves
from experiments.paper.report.html import Html, code, facts, image, join, table, tag
from experiments.paper.report.settings import changed
from experiments.paper.report.tables import measured, test_table
from ugvae.machine import clock
from ugvae.runs.folder import RunFolder

STATUS = {  # of a statement of the verdict: its class and its words
    "yes": ("yes", "Holds"),
    "partly": ("partly", "Holds in part"),
    "no": ("no", "Does not hold"),
    "not measured": ("unmeasured", "Not measured"),
}
CAPTIONS = {  # of the figures of training, by how the file name begins
    "reconstructions": "Held-out images above what the model decodes from their own z and beta. Look for what is lost.",
    "component_walks": (
        "One panel per mixture component: down the rows beta moves, along the columns z crosses the component's prior "
        "(Fig. 3 and 8 of the paper). If beta is used, the rows of a panel differ in the same way everywhere."
    ),
    "global_walk": "Rows: beta; columns: z, every dimension at once (Fig. 4). Rows all alike mean an unused beta.",
    "latent_walks": "One dimension of z per row, the others at 0 (Fig. 9).",
    "samples": "Images drawn from the prior: a row is one group, so its images share what beta says.",
    "beta_map": "t-SNE map of the mean of beta of held-out groups. Clusters mean that beta knows what a group shares.",
    "z_map": "t-SNE map of the mean of z of held-out images.",
}
LONGEST_ENTRY = 28  # letters in a line of the contents
DRAWN_AS_CURVES = "curves"  # figures/curves.png, which the page draws itself


class Section(NamedTuple):
    """A part of the page.

    Attributes:
        anchor: of its heading.
        heading: its words.
        content: what comes below.
        entries: anchors and words of its parts, for the contents.
    """

    anchor: str
    heading: str
    content: Html
    entries: Sequence[tuple[str, str]] = ()


def verdict_section(statements: Sequence[Mapping[str, str]]) -> Section:
    """The claims in plain words, with their numbers and their controls."""
    items = []
    for statement in statements:
        kind, words = STATUS[statement["holds"]]
        control = "" if statement["control"] == "None." else statement["control"]
        items.append(
            tag(
                "li",
                tag("h3", tag("span", words, class_="holds"), " ", statement["claim"]),
                tag("p", statement["because"]),
                tag("p", f"Control: {control}", class_="note") if control else None,
                class_=kind,
            )
        )
    note = tag("p", "Computed from the numbers below by fixed rules; no one has judged the pictures.", class_="note")
    return Section("verdict", "Verdict", join([note, tag("ul", items, class_="verdict")]))


def training_section(run: RunFolder) -> Section:
    """Data, model, time, machine, versions, and the curves."""
    trained, settings = run.trained or {}, run.data_settings
    seconds, how = run.seconds
    machines = {session.get("hardware") for session in trained.get("sessions", [])} - {None}
    versions = trained.get("versions") or (run.test or {}).get("versions") or {}
    groups = None
    if "group_size" in settings:
        per_step, kind = settings.get("groups_per_batch"), settings.get("grouping")
        groups = f"{per_step} per step, of {settings['group_size']} images, {kind}"
    best = trained.get("best_val_elbo")
    pairs = [
        ("Data", run.data),
        ("Groups", groups),
        ("Model", run.model),
        ("Seed", run.config.get("seed_everything")),
        ("Epochs", run.epochs),
        ("Optimiser steps", f"{trained['steps']:,}" if "steps" in trained else None),
        ("Training time", "not stored" if seconds is None else f"{clock(seconds)} ({how})"),
        ("Best validation ELBO", None if best is None else f"{best:,.2f} nats per image"),
        ("Machine", " and ".join(sorted(machines)) or "not stored; training writes it into trained.json at its end"),
        ("Versions", ", ".join(f"{name} {value}" for name, value in versions.items()) or "not stored"),
    ]
    parts = [facts(pairs)]
    if (drawn := curves(run.metrics)) is not None:
        note = "The scale leaves out the first fifth of each curve, which may lie far below."
        parts += [tag("h3", "Curves"), tag("p", note, class_="note"), drawn]
    else:
        parts.append(missing("The curves", "metrics.csv has none", None))
    return Section("training", "Training", join(parts))


def test_section(run: RunFolder) -> Section:
    """The test split."""
    if run.test is None:
        content = missing("The test split", "test.json is not there", f"make evaluate RUN={run.shown}")
    else:
        content = test_table(run.test)
    return Section("test", "Test split", content)


def command_section(run: RunFolder, names: Iterable[str], anchor: str, heading: str) -> Section | None:
    """What some commands left: their figures, their tables, and the command itself. None if they left nothing."""
    made = {name: parts for name in names if (parts := _command(run, name))}
    if not made:
        return None
    entries = [(f"command-{name}", _short(_title(run, name), name)) for name in made]
    return Section(anchor, heading, join(made.values()), entries)


def _short(title: str, name: str) -> str:
    """What comes before the colon of a title; the command's name where that is long."""
    first = title.split(":")[0]
    return first if len(first) <= LONGEST_ENTRY else name.replace("_", " ").capitalize()


def _title(run: RunFolder, name: str) -> str:
    return run.commands.get(name, {}).get("title") or name


def _command(run: RunFolder, name: str) -> list[Html]:
    entry = run.commands.get(name, {})
    if entry.get("status", "done") != "done":
        return []  # absent_section says why
    parts = [tag("h3", _title(run, name), id=f"command-{name}")]
    for figure in entry.get("figures", []):
        parts.append(picture(run.directory / "paper" / figure["file"], figure["caption"]))
    if name in run.results:
        parts += measured(run.results[name])
    if entry.get("command"):
        seconds = f", {entry['seconds']:.0f} s" if entry.get("seconds") is not None else ""
        parts.append(tag("p", "Made by ", code(entry["command"]), seconds, class_="note"))
    return parts if len(parts) > 1 else []


def training_figures(run: RunFolder) -> Section | None:
    """The pictures of training, and those of ``paper/`` that no command names."""
    named = {figure["file"] for entry in run.commands.values() for figure in entry.get("figures", [])}
    parts = []
    for path in sorted((run.directory / "figures").glob("*.png")):
        if path.stem != DRAWN_AS_CURVES or not run.metrics:
            caption = next((words for start, words in CAPTIONS.items() if path.stem.startswith(start)), None)
            parts.append(picture(path, caption or f"{path.stem}, drawn in training."))
    for path in sorted((run.directory / "paper").glob("*.png")):
        if path.name not in named:
            parts.append(picture(path, f"{path.stem}; made before captions were kept."))
    return Section("pictures", "Pictures of training", join(parts)) if parts else None


def picture(path: Path, caption: str) -> Html:
    """A figure with its caption; a missing file is said."""
    if not path.is_file():
        return missing(f"The figure {path.name}", "the file is not there", None)
    return tag("figure", image(path, caption), tag("figcaption", caption), class_="picture")


def missing(what: str, reason: str, command: str | None) -> Html:
    """A line for what is not there, why, and what makes it."""
    made = [" Made by ", code(command), "."] if command else None
    return tag("p", f"{what}: {reason}.", made, class_="note")


def absent_section(run: RunFolder, known: Mapping[str, str]) -> Section | None:
    """Commands that do not apply, failed, or were not run; and damaged files.

    Args:
        run: what was read.
        known: every command of ``experiments.paper`` with its title.
    """
    rows = []
    for name, entry in run.commands.items():
        if entry.get("status") != "done":
            rows.append(
                [
                    entry.get("title") or name,
                    entry.get("status"),
                    entry.get("reason") or "—",
                    code(entry.get("command") or "—"),
                ]
            )
    for name, title in known.items():
        if name not in run.commands and name not in run.results:
            rows.append([title, "not run", "—", code(f"python -m experiments.paper {name} --run {run.shown}")])
    parts = []
    if rows:
        parts.append(
            table(
                "Figures and tables that this page does not have.",
                ["what", "state", "reason", "command"],
                rows,
                wordy=True,
            )
        )
    parts += [missing(file, f"damaged, left out ({reason})", None) for file, reason in run.damaged.items()]
    return Section("absent", "Not here, and why", join(parts)) if parts else None


def settings_section(run: RunFolder) -> Section:
    """What differs from the defaults, and all settings folded away."""
    rows = [[code(key), value, default] for key, value, default in changed(run.config)]
    text = yaml.safe_dump(dict(run.config), sort_keys=False, allow_unicode=True)
    command = f"python -m ugvae fit --config {run.shown}/config.yaml"
    content = [
        table("Settings that differ from the defaults.", ["setting", "this run", "default"], rows, wordy=True),
        tag("p", "The same again: ", code(command), class_="note"),
        tag("details", tag("summary", "Every setting, config.yaml"), tag("pre", text, tabindex="0")),
    ]
    return Section("settings", "Settings", join(content))
