"""What W&B's record of a run gets besides curves: settings of runs with and without a YAML, tables of any groups."""

from pathlib import Path

import pytest
import torch
import yaml
from torch.testing import assert_close

from tests.helpers.small_models import make
from ugvae.callbacks.dashboard import GROUPS, STRIP, all_settings, held_out_groups, strip, summary_of_test
from ugvae.datamodules import DigitsDataModule
from ugvae.models import UGVAE, VAE


@pytest.fixture
def data() -> DigitsDataModule:
    data = DigitsDataModule(image_size=8, group_size=4, groups_per_batch=2)
    data.setup("fit")
    return data


def test_rows_are_the_groups_of_the_loader(data: DigitsDataModule) -> None:
    model = make(UGVAE, (1, 8, 8), double=False)
    columns, rows = held_out_groups(model, data)
    assert columns == ["group", "images", "label", "beta", "component"]
    assert len(rows) == GROUPS
    table, batch = data.table("val"), next(iter(data.loader("val").sampler))
    images = table.images[batch[0]]
    posterior = model.infer(images.unsqueeze(0))
    number, shown, labels, beta, components = rows[0]
    assert number == 0
    assert_close(torch.from_numpy(shown)[:, 8:16, 0], images[1, 0])
    assert labels == ", ".join(map(str, table.columns["label"][batch[0]].tolist()))
    assert_close(torch.tensor(beta), posterior.beta.mean[0])
    assert components == ", ".join(map(str, posterior.d[0].argmax(-1).tolist()))


def test_groups_of_any_size_and_a_model_without_beta() -> None:
    data = DigitsDataModule(image_size=8, group_size=32, eval_grouping="given", group_column="label")
    data.setup("fit")
    columns, rows = held_out_groups(make(VAE, (1, 8, 8), double=False), data)
    assert columns == ["group", "images", "label"]
    sizes = [len(labels.split(", ")) for _, _, labels in rows]
    assert all(shown.shape == (8, 8 * size, 1) for (_, shown, _), size in zip(rows, sizes, strict=True))
    assert max(sizes) == STRIP, "a long group is cut"
    assert all(len(set(labels.split(", "))) == 1 for _, _, labels in rows)


@pytest.mark.parametrize(("channels", "shown"), [(1, 1), (3, 3), (2, 1), (5, 1)])
def test_strips_are_pictures(channels: int, shown: int) -> None:
    images = torch.arange(2 * channels * 6, dtype=torch.uint8).view(2, channels, 2, 3)
    picture = strip(images)
    assert picture.shape == (2, 6, shown)
    assert picture[1, 4, 0] == images[1, 0, 1, 1]


def test_settings_of_a_run_in_python(data: DigitsDataModule, tmp_path: Path) -> None:
    settings = all_settings(tmp_path, make(UGVAE, (1, 8, 8), double=False), data)
    assert settings["model"]["class"] == "ugvae.models.ugvae.UGVAE"
    assert settings["data"]["group_size"] == 4
    assert settings["images"]["validation images"] == 180


def test_settings_of_domains_are_flat(data: DigitsDataModule, tmp_path: Path) -> None:
    domain = {"class_path": "a.Digits", "init_args": {"root": "x"}}
    config = {"data": {"class_path": "a.Mixed", "init_args": {"domains": [domain]}}, "trainer": {"callbacks": [domain]}}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    settings = all_settings(tmp_path, make(UGVAE, (1, 8, 8), double=False), data)
    assert settings["data"]["domains"] == settings["trainer"]["callbacks"] == [{"class": "a.Digits", "root": "x"}]


def test_what_a_test_could_not_measure_is_left_out() -> None:
    report = {"metrics": {"test/elbo": 1.0}, "clusters": None, "beta": None, "reconstructions": {"psnr": 2.0}}
    report |= {"groups": 3, "group_size": 4, "checkpoint_digest": None, "seed": 1, "versions": {}}
    summary = summary_of_test(report)
    kept = {"test/reconstructions": {"psnr": 2.0}, "test/groups": 3, "test/group_size": 4, "test/seed": 1}
    assert summary == {"test/elbo": 1.0, **kept}
