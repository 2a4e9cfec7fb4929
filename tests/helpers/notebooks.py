"""The notebooks of ``docs/notebooks``: they are run cell by cell, and what they print and draw is put into their pages.

``python -m tests.helpers.notebooks docs/notebooks/mnist.md`` runs one in an empty folder and renews the output in it.
"""

import ast
import contextlib
import io
import os
import re
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from matplotlib.figure import Figure

from ugvae.plots.figure import save_figure

CELL = re.compile(
    r"```python\n(.*?)```\n(?:\n```text\n.*?```\n)?(?:\n!\[[^]]*\]\(\.\./figures/notebooks/[^)]*\)\n)?", re.S
)


class Output(NamedTuple):
    """What a cell leaves: what it printed, and the figure that its last line is, if it is one."""

    text: str
    figure: Figure | None


def run_cells(page: str) -> Iterator[Output]:
    """Runs the cells of a notebook in the current folder, one after the other, in one set of names."""
    names: dict[str, object] = {"__name__": "__main__"}
    for cell in CELL.finditer(page):
        code = ast.parse(cell[1])
        last = code.body.pop() if isinstance(code.body[-1], ast.Expr) else None
        with contextlib.redirect_stdout(io.StringIO()) as printed, contextlib.redirect_stderr(io.StringIO()):
            exec(compile(code, "<cell>", "exec"), names)
            value = eval(compile(ast.Expression(last.value), "<cell>", "eval"), names) if last else None
        yield Output("" if "cli.main" in cell[1] else printed.getvalue(), value if isinstance(value, Figure) else None)


def with_output(path: Path, outputs: list[Output]) -> str:
    """The page with new output below its cells; the figures are written beside those of the other pages."""
    remaining = iter(enumerate(outputs, 1))

    def renewed(cell: re.Match) -> str:
        number, output = next(remaining)
        text = f"```python\n{cell[1]}```\n"
        if output.text:
            text += f"\n```text\n{output.text}```\n"
        if output.figure:
            name = f"{path.stem}_{number}.png"
            save_figure(output.figure, path.parents[1] / "figures" / "notebooks" / name)
            text += f"\n![what the cell drew](../figures/notebooks/{name})\n"
        return text

    return CELL.sub(renewed, path.read_text())


if __name__ == "__main__":
    notebook = Path(sys.argv[1]).resolve()
    data = Path("data").resolve()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        if data.is_dir():
            Path("data").symlink_to(data)
        made = list(run_cells(notebook.read_text()))
        notebook.write_text(with_output(notebook, made))
