"""The examples in docstrings give what they say."""

import doctest
import importlib

import pytest

from tests.helpers import PROJECT
from tests.test_layout import sources

WITH_EXAMPLES = [name for name, path in sources() if ">>> " in path.read_text()]


@pytest.mark.parametrize("module", WITH_EXAMPLES)
def test_examples_of_docstrings(module: str) -> None:
    result = doctest.testmod(
        importlib.import_module(module), optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS
    )
    assert result.attempted > 0
    assert result.failed == 0


def test_the_class_of_the_page_on_own_data_is_a_datamodule() -> None:
    page = (PROJECT / "docs/own_data.md").read_text()
    names: dict[str, type] = {}
    exec(page.split("```python\n")[1].split("```")[0], names)
    data = names["MyData"](image_size=8, group_size=4)
    assert next(iter(data.train_dataloader()))["image"].shape == (8, 4, 1, 8, 8)
    assert data.table("val").columns["label"].tolist() == [0, 1] * 64
