"""Accuracy against the size of the groups, and how much groups of one kind overlap."""

import itertools
import json
import re
from pathlib import Path
from statistics import fmean

import pytest
import torch

from tests.helpers.refusals import refused
from tests.helpers.small_models import make
from tests.helpers.tiny_runs import write_run
from ugvae.data.known_groups import draw_groups
from ugvae.evaluation.group_sizes import SizeResult, shared_images
from ugvae.evaluation.results import read_results, to_json
from ugvae.experiments.paper.__main__ import main
from ugvae.experiments.paper.accuracy_tables import by_size
from ugvae.experiments.paper.tables import tables_of
from ugvae.models import UGVAE

QUICK = ["--groups", "10", "--seeds", "2"]


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return write_run(tmp_path / "run", make(UGVAE, (1, 8, 8), double=False))


@pytest.mark.parametrize(("images", "size"), [(5, 4), (12, 4), (100, 3)])
def test_shared_images_is_the_mean_over_all_pairs(images: int, size: int) -> None:
    groups = draw_groups(torch.arange(images), 9, size, torch.Generator().manual_seed(0))
    pairs = [len(set(a) & set(b)) / size for a, b in itertools.permutations(groups.tolist(), 2)]
    assert shared_images(groups) == pytest.approx(fmean(pairs))
    assert shared_images(groups[:1]) == 0
    assert shared_images(torch.arange(12).view(3, 4)) == 0
    assert shared_images(torch.arange(4).expand(3, 4)) == 1


def test_sizes_of_a_run(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    values = ["--values", "0", "1", "--values", "3", "8"]
    main(["group_sizes", "--run", str(run), *values, "--sizes", "12", "4", "4", "128", *QUICK])
    report = json.loads((run / "paper" / "group_sizes.json").read_text())
    assert list(report["results"]) == list(report["left_out"]) == ["label 0 / label 1", "label 3 / label 8"]
    assert re.fullmatch(r"groups of 128: label [01] has 1\d images in a half", report["left_out"]["label 0 / label 1"])
    assert [figure["file"] for figure in report["figures"]] == ["group_sizes.png"]
    printed = capsys.readouterr().out
    assert "label 0 / label 1: left out: groups of 128" in printed

    results = read_results({"group_sizes": report})
    assert results.unreadable == {}
    assert to_json(results.group_sizes) == report["results"], "what is read is what was written"
    sizes = results.group_sizes["label 0 / label 1"]
    assert all(isinstance(size, SizeResult) for size in sizes)
    assert [size.classification.group_size for size in sizes] == [4, 12]
    small, large = (size.shared for size in sizes)
    assert list(small) == ["label 0", "label 1", "random"]
    assert all(0 < small[name] < large[name] < 1 for name in ("label 0", "label 1"))
    assert large["random"] < 0.1 < 0.4 < large["label 0"], "180 images of any kind in a half, some 18 of a digit"

    (table, _) = tables_of("group_sizes", results, report)
    assert by_size("label 0 / label 1", sizes).markdown() in printed
    assert [row["images per group"] for row in table.rows] == ["4", "12"]
    assert {row["and random groups: chance"] for row in table.rows} == {"0.33"}
    assert float(table.rows[1]["shared by two groups"]) == pytest.approx(max(large.values()), abs=0.005)


def test_what_cannot_be_filled_is_refused(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    message = refused(capsys, "group_sizes", "--run", str(run), "--values", "0", "1", "--sizes", "128", *QUICK)
    reason = "sizes: none can be filled, take --sizes of what there is: groups of 128"
    assert re.match(rf"{reason}: label [01] has \d\d images in a half", message)
    assert refused(capsys, "group_sizes", "--run", str(run)).startswith("pair, attribute, column: no column")
    assert "sizes" in refused(capsys, "group_sizes", "--run", str(run), "--values", "0", "1", "--sizes", "0")
