"""Every package that the sources import is declared."""

import ast
import re
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

PROJECT = Path(__file__).parents[1]
OWN = {"ugvae", "tests"}


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
