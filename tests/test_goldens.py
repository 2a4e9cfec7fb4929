"""A seeded run and its evaluations are what they were when they were frozen."""

import json
from pathlib import Path

import pytest

from tests import goldens


def test_a_seeded_run_gives_what_it_gave(tmp_path: Path) -> None:
    goldens.write(tmp_path)
    frozen, results = json.loads(goldens.FROZEN.read_text()), goldens.collect(tmp_path)
    assert len(results["curve"]) == len(frozen["curve"])
    for row, expected in zip(results["curve"], frozen["curve"], strict=True):
        assert row == pytest.approx(expected, rel=0.02, abs=0.5)
    assert results["results"].keys() == frozen["results"].keys()
    if results["machine"] == frozen["machine"]:
        assert results == frozen
