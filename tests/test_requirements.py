"""Every package that the sources import is declared, with its lowest version."""

import ast
import re
import sys
from importlib.metadata import packages_distributions

from tests.helpers import PROJECT

OWN = {"ugvae", "tests"}


def requirements() -> list[str]:
    """The requirements without their comments."""
    lines = (line.split("#")[0].strip() for line in (PROJECT / "requirements.txt").read_text().splitlines())
    return [line for line in lines if line]


def pinned_to_floors() -> list[str]:
    """The requirements with the lowest versions that they allow."""
    return [line.replace(">=", "==") for line in requirements()]


def imported_packages() -> set[str]:
    """Names of the libraries that the sources import anywhere."""
    names: set[str] = set()
    for folder in ("src", "datamodules", "experiments"):
        for path in (PROJECT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Import):
                    names |= {alias.name.split(".")[0] for alias in node.names}
                elif isinstance(node, ast.ImportFrom):
                    names.add(node.module.split(".")[0])
    return names - OWN - sys.stdlib_module_names


def test_every_import_is_a_requirement() -> None:
    text = (PROJECT / "requirements.txt").read_text() + (PROJECT / "setup.cfg").read_text()  # with the extras
    declared = {name.lower() for name in re.findall(r"^ *([\w-]+)(?:\[\w+\])?>=", text, re.MULTILINE)}
    providers = packages_distributions()
    missing = {name for name in imported_packages() if not {p.lower() for p in providers.get(name, [name])} & declared}
    assert missing == set()


def test_every_requirement_is_imported() -> None:
    declared = {line.partition(">=")[0].partition("[")[0].lower() for line in requirements()}
    providers = packages_distributions()
    imported = {provider.lower() for name in imported_packages() for provider in providers.get(name, [name])}
    assert declared - imported == set(), "nothing is installed that nothing needs"


def test_every_requirement_states_its_lowest_version() -> None:
    floors = pinned_to_floors()
    assert "torch==2.6" in floors
    assert all(re.fullmatch(r"[\w-]+(\[\w+\])?==[\d.]+", floor) for floor in floors)
