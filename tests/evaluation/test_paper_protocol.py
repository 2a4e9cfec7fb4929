"""Table 1 by the authors' own protocol."""

import copy
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.helpers.small_models import make
from tests.helpers.tiny_runs import write_run
from ugvae.data.table import ImageTable
from ugvae.evaluation.classification import PIXELS, Classification
from ugvae.evaluation.paper_protocol import batch_statistics, classify_as_the_paper, means_of_batches
from ugvae.evaluation.results import RunResults, from_json
from ugvae.evaluation.verdict import carries_information
from ugvae.experiments.paper.__main__ import main
from ugvae.experiments.paper.accuracy_tables import accuracies
from ugvae.models import UGVAE

KINDS = {"bright": {"bright": 1}, "dark": {"bright": 0}}


def conv_model() -> UGVAE:
    return make(UGVAE, (1, 8, 8), double=False, backbone="conv")


@pytest.fixture(scope="module")
def table() -> ImageTable:
    torch.manual_seed(0)
    bright = torch.arange(60) % 2
    images = torch.randint(0, 100, (60, 1, 8, 8)) + 100 * bright.view(-1, 1, 1, 1)
    return ImageTable(images.to(torch.uint8), {"bright": bright})


def test_each_group_is_normalised_by_itself_and_nothing_is_left_behind(table: ImageTable) -> None:
    model, groups = conv_model(), torch.arange(12).view(2, 6)
    for layer in model.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            layer.running_mean.normal_()
    before = copy.deepcopy(model.state_dict())
    means = means_of_batches(model, table.images, groups)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    model.train()
    expected = torch.cat([model.infer(table.images[group].unsqueeze(0)).beta.mean for group in groups])
    model.load_state_dict(before)
    model.eval()
    torch.testing.assert_close(torch.from_numpy(means), expected.detach())
    in_eval_mode = model.infer(table.images[groups]).beta.mean.detach()
    assert (torch.from_numpy(means) - in_eval_mode).abs().max() > 0.01
    with pytest.raises(ValueError, match="images: expected"), batch_statistics(model):
        model.infer(table.images[groups].repeat(1, 1, 2, 1, 1))  # too many channels
    assert not any(module.training for module in model.modules())
    assert {layer.momentum for layer in model.modules() if isinstance(layer, torch.nn.BatchNorm2d)} == {0.1}


def test_majority_sizes_and_training_accuracy(table: ImageTable) -> None:
    result = classify_as_the_paper(conv_model(), table, KINDS, group_size=5, repetitions=2)
    assert result.chance == {"kinds": 0.5, "kinds and random": 0.6}
    assert result.groups_per_kind == {"train": 80, "test": 20, "random": 300}
    assert (result.kinds, result.group_size, len(result.seeds)) == (["bright", "dark"], 5, 2)
    for accuracy in (result.accuracy, result.train_accuracy):
        assert list(accuracy) == ["kinds", "kinds and random"]
        for features in accuracy.values():
            assert list(features) == ["beta mean", "untrained beta mean", PIXELS]
    assert result.accuracy["kinds"][PIXELS]["linear"].mean == 1, "bright and dark differ in every pixel"
    # 0.6 of the groups are random, and groups of a kind look like no random one of this size
    assert result.accuracy["kinds and random"][PIXELS]["rbf"].mean > 0.9
    points = np.array(result.accuracy["kinds"]["beta mean"]["linear"].values) * 40
    np.testing.assert_allclose(points, points.round(), atol=1e-9, err_msg="their 40 test points")
    rows = accuracies("a, the paper's protocol", result, {}).rows
    assert [row["feature"] for row in rows][-3:] == [f"{name}, training groups" for name in result.accuracy["kinds"]]
    assert {row["and random groups, linear SVM"] for row in rows if row["feature"] == "chance"} == {"0.60"}


def test_paper_alone_is_named_and_decides_no_claim(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = write_run(tmp_path / "run", conv_model())
    asked = ["--values", "0", "1", "--protocol", "paper", "--group_size", "8", "--seeds", "1"]
    main(["table1", "--run", str(run), *asked])
    report = json.loads((run / "paper" / "table1.json").read_text())
    (name,) = report["results"]
    assert name == "label 0 / label 1, the paper's protocol"
    result = from_json(Classification, report["results"][name])
    assert (result.protocol, result.images) == ("the paper's protocol", {"train": 1257})
    assert [figure["file"] for figure in report["figures"]] == ["table1_paper.png"]
    assert "| beta mean, training groups | " in capsys.readouterr().out
    assert carries_information(RunResults(table1={name: result})).holds == "not measured"
