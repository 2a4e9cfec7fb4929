"""The house has one direction: a room imports only from the rooms below it, and no room another's private names."""

import ast
from collections.abc import Iterator
from pathlib import Path

from tests.helpers import PROJECT

FLOORS = (  # from the ground up; rooms of one floor do not know each other
    ("ugvae.errors", "ugvae.distributions"),
    ("ugvae.machine", "ugvae.distributed"),
    ("ugvae.networks",),
    ("ugvae.models",),
    ("ugvae.runs",),
    ("ugvae.data",),
    ("ugvae.evaluation", "ugvae.datamodules"),
    ("ugvae.plots",),
    ("ugvae.callbacks",),
    ("ugvae.cli",),
    ("ugvae.experiments",),
    ("ugvae.__main__",),
)
FLOOR = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}
FOLDERS = {"src/ugvae": "ugvae", "datamodules": "ugvae.datamodules", "experiments": "ugvae.experiments"}


def sources() -> Iterator[tuple[str, Path]]:
    """Dotted name and path of every source file."""
    for folder, prefix in FOLDERS.items():
        for path in (PROJECT / folder).rglob("*.py"):
            parts = path.relative_to(PROJECT / folder).with_suffix("").parts
            yield ".".join([prefix, *parts]).removesuffix(".__init__"), path


def imports(path: Path, modules: set[str]) -> Iterator[tuple[str, str | None]]:
    """Modules that a file imports, each with the name that it takes from it."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from ((alias.name, None) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                module = f"{node.module}.{alias.name}"
                yield (module, None) if module in modules else (node.module, alias.name)


def room_of(module: str) -> str | None:
    """The room that a module is in; None for other libraries and for the package itself."""
    return next((room for room in FLOOR if f"{module}.".startswith(f"{room}.")), None)


def test_every_source_file_is_in_a_room() -> None:
    assert [name for name, _ in sources() if room_of(name) is None] == ["ugvae"]


def test_arrows_point_down() -> None:
    files = dict(sources())
    wrong = []
    for name, path in files.items():
        here = room_of(name)
        for module, _ in imports(path, set(files)):
            there = room_of(module)
            if here is None or there in (None, here):
                continue
            if FLOOR[there] >= FLOOR[here]:
                wrong.append(f"{name} imports {module}")
    assert not wrong


def test_private_names_stay_in_their_file() -> None:
    files = dict(sources())
    taken = [
        f"{name} takes {module}.{taken}"
        for name, path in files.items()
        for module, taken in imports(path, set(files))
        if room_of(module) and taken and taken.startswith("_")
    ]
    assert not taken


def test_the_entrance_and_the_experiments_alone_name_datasets() -> None:
    files = dict(sources())
    rooms = {
        room_of(name)
        for name, path in files.items()
        for module, _ in imports(path, set(files))
        if room_of(module) == "ugvae.datamodules"
    }
    assert rooms - {"ugvae.datamodules", "ugvae.cli", "ugvae.experiments"} == set()


def test_nothing_imports_a_bare_datamodules_or_experiments() -> None:
    files = dict(sources()) | {str(path): path for path in (PROJECT / "tests").rglob("*.py")}
    assert not [
        name
        for name, path in files.items()
        for module, _ in imports(path, set())
        if module.split(".")[0] in ("datamodules", "experiments")
    ]


def test_files_import_one_another_without_circles() -> None:
    files = dict(sources())
    known = {
        name: {module for module, _ in imports(path, set(files)) if module in files} for name, path in files.items()
    }
    while leaves := [name for name, needs in known.items() if not needs]:
        for name in leaves:
            del known[name]
        for needs in known.values():
            needs.difference_update(leaves)
    assert not known
