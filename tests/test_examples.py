"""The examples in docstrings give what they say."""

import doctest
import importlib

import pytest

from tests.test_layout import sources

WITH_EXAMPLES = [name for name, path in sources() if ">>> " in path.read_text()]


@pytest.mark.parametrize("module", WITH_EXAMPLES)
def test_examples_of_docstrings(module: str) -> None:
    result = doctest.testmod(importlib.import_module(module), optionflags=doctest.NORMALIZE_WHITESPACE)
    assert result.attempted > 0
    assert result.failed == 0
