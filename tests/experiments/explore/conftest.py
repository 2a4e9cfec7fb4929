"""What the tests of the explorer share."""

from pathlib import Path

import pytest

from tests.helpers.tiny_runs import DIGITS, run_of
from ugvae.experiments.explore.source import Explored, load
from ugvae.models import UGVAE


@pytest.fixture
def explored(tmp_path: Path) -> Explored:
    return load(run_of(tmp_path, UGVAE, DIGITS))
