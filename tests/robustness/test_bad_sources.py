"""The sources load nothing that could run code, unpack nothing, and state why the dependencies have their floors."""

import ast
import re
from pathlib import Path

import pytest

from tests.helpers import PROJECT
from ugvae.datamodules import mnist_files

SOURCES = sorted(path for folder in ("src", "datamodules", "experiments") for path in (PROJECT / folder).rglob("*.py"))
# what builds objects or runs text that a file holds; what writes archives' members where they say
FORBIDDEN = {"eval", "exec", "compile", "__import__"}
FORBIDDEN_MODULES = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal", "tarfile"}
FORBIDDEN_CALLS = {
    "yaml": {"load", "load_all", "full_load", "unsafe_load"},
    "os": {"system", "popen"},
    "shutil": {"unpack_archive"},
    "pandas": {"read_pickle"},
}
ALLOWED = {
    ("src/ugvae/cli/parser.py", "__import__"),  # a module whose name the parser has resolved
    ("src/ugvae/runs/checkpoints.py", "pickle.UnpicklingError"),  # the error alone
}


def calls(tree: ast.Module) -> list[tuple[str, str, ast.Call]]:
    """(what it is called on, name, call) of all calls of a file."""
    all_calls = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            all_calls.append((ast.unparse(node.func.value), node.func.attr, node))
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            all_calls.append(("", node.func.id, node))
    return all_calls


def dangers(text: str, name: str = "") -> list[str]:
    """What a file does that it must not, one line each."""
    tree, lines = ast.parse(text), []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or ""]
            for module in modules:
                root = module.split(".")[0]
                used = re.findall(rf"\b{root}\.\w+", text)
                if root in FORBIDDEN_MODULES and not all((name, use) in ALLOWED for use in used or [""]):
                    lines.append(f"line {node.lineno}: imports {module}")
    for owner, function, call in calls(tree):
        options = {keyword.arg: ast.unparse(keyword.value) for keyword in call.keywords}
        bad = (
            (not owner and function in FORBIDDEN and (name, function) not in ALLOWED)
            or function in FORBIDDEN_CALLS.get(owner, ())
            or (owner == "torch" and function == "load" and options.get("weights_only") != "True")
            or (function == "load_from_checkpoint" and options.get("weights_only") != "True")
            or options.get("allow_pickle", "False") != "False"
            or (function in ("extract", "extractall") and options.get("filter") != "'data'")
            or options.get("shell", "False") != "False"
            or options.get("trust_remote_code", "False") != "False"
        )
        if bad:
            lines.append(f"line {call.lineno}: {owner}.{function}(…)")
    return lines


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(PROJECT)))
def test_sources_load_nothing_that_could_run(path: Path) -> None:
    assert dangers(path.read_text(), str(path.relative_to(PROJECT))) == []


@pytest.mark.parametrize(
    "text",
    [
        "import pickle\npickle.load(f)",
        "from pickle import loads",
        "import torch\ntorch.load(p)",
        "import torch\ntorch.load(p, weights_only=False)",
        "Model.load_from_checkpoint(p)",
        "import numpy as np\nnp.load(p, allow_pickle=True)",
        "import yaml\nyaml.load(t, Loader=yaml.Loader)",
        "eval(t)",
        "exec(t)",
        "archive.extractall(folder)",
        "archive.extract(member, folder)",
        "import tarfile",
        "import os\nos.system(t)",
        "subprocess.run(t, shell=True)",
    ],
)
def test_the_search_finds_them(text: str) -> None:
    assert dangers(text)


def test_every_download_has_a_hash() -> None:
    """What the code can fetch: the four files by the hash of their decoded bytes, and a wheel by its own."""
    hashes = [*mnist_files.SHA256.values(), mnist_files.WHEEL_SHA256]
    assert len(mnist_files.SHA256) == 4
    assert all(re.fullmatch("[0-9a-f]{64}", value) for value in hashes)
    fetching = {
        str(path.relative_to(PROJECT))
        for path in SOURCES
        if re.search(
            r"urlopen|urlretrieve|requests\.(get|post)|pip_download\(|download=True\)$", path.read_text(), re.M
        )
    }
    assert fetching == {"src/ugvae/data/download.py", "datamodules/mnist_files.py"}


def test_every_dependency_says_why() -> None:
    lines = [line for line in (PROJECT / "requirements.txt").read_text().splitlines() if line and line[0] != "#"]
    for line in lines:
        assert re.fullmatch(r"[\w\[\]-]+>=[\d.]+(,!=[\d.*]+)* +# .+", line), line
    assert any(line.startswith("pytorch-lightning>=2.6.6") for line in lines)
