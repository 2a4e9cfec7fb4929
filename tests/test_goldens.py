"""A seeded run and its evaluations are what they were when they were frozen."""

import json
from pathlib import Path

import pytest

from tests import goldens


def test_a_seeded_run_gives_what_it_gave(tmp_path: Path) -> None:
    goldens.write(tmp_path)
    frozen, found = json.loads(goldens.FROZEN.read_text()), goldens.collect(tmp_path)
    assert len(found["curve"]) == len(frozen["curve"])
    for row, expected in zip(found["curve"], frozen["curve"], strict=True):
        assert row == pytest.approx(expected, rel=0.02, abs=0.5)
    if found["machine"] == frozen["machine"]:
        assert found == frozen
