"""The properties of bad input once more, with many more examples."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers import PROJECT

FILES = sorted(str(path) for path in Path(__file__).parent.glob("test_bad_*.py") if path != Path(__file__))


@pytest.mark.slow
def test_two_thousand_examples_of_each() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "--no-header", "-p", "no:cacheprovider", *FILES],
        cwd=PROJECT,
        env={**os.environ, "HYPOTHESIS_PROFILE": "thorough"},
        capture_output=True,
        text=True,
        check=False,
    )
    print(done.stdout[-3000:])
    assert done.returncode == 0
