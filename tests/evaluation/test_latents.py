"""Latents of all images and groups as tables: nothing is left out, and every product is that of one pass."""

import csv
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from tests.helpers.small_models import every_model, make
from ugvae.datamodules import ArrayDataModule, DigitsDataModule
from ugvae.errors import ConfigError
from ugvae.evaluation.latents import encode
from ugvae.models import UGVAE, BaseVAE

SHAPE = (1, 8, 8)


@pytest.fixture(scope="module")
def data() -> DigitsDataModule:
    return DigitsDataModule(image_size=8, group_size=50)


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize(
    "settings", [{}, {"prior_expert": True}, {"local_posterior": "given_beta"}], ids=lambda settings: "".join(settings)
)
def test_a_group_of_any_size_is_that_of_one_pass(data: DigitsDataModule, settings: dict) -> None:
    model = make(UGVAE, SHAPE, double=False, **settings)
    latents = encode(model, data, by="label", images_per_batch=7)
    assert len(latents.groups["group"]) == 3 * 10
    for group in range(30):
        split, label = latents.groups["split"][group], int(latents.groups["label"][group])
        table = data.table(split)
        members = (table.columns["label"] == label).nonzero().flatten()
        posterior = model.infer(table.images[members].unsqueeze(0))
        assert latents.groups["size"][group] == len(members)
        for ours, expected in zip(("beta_mean", "beta_log_var"), posterior.beta, strict=True):
            assert_close(torch.from_numpy(latents.arrays[ours][group]), expected[0], rtol=1e-5, atol=1e-5)
        mine = latents.arrays["image_group"] == group
        assert_close(torch.from_numpy(latents.arrays["z_mean"][mine]), posterior.z.mean[0], rtol=1e-5, atol=1e-5)


@every_model
def test_files_join_by_group_and_row(model_class: type[BaseVAE], data: DigitsDataModule, tmp_path: Path) -> None:
    model = make(model_class, SHAPE, double=False)
    paths = encode(model, data, splits=["val", "test"]).save(tmp_path)
    images = rows(tmp_path / "images.csv")
    assert len(images) == len(data.table("val")) + len(data.table("test"))
    assert {row["label"] for row in images} == set(map(str, range(10)))
    assert ("component" in images[0]) == bool(model.num_components)
    with np.load(tmp_path / "posterior.npz") as arrays:
        assert arrays["z_mean"].shape == (len(images), model.z_dim)
        np.testing.assert_allclose(arrays["z_mean"][:, 0], [float(row["z_0"]) for row in images], atol=1e-4)
        if not model.beta_dim:
            assert [path.name for path in paths] == ["images.csv", "posterior.npz"]
            return
        groups = rows(tmp_path / "groups.csv")
        assert {row["group"] for row in images} == {row["group"] for row in groups}
        for row in groups:
            assert int(row["size"]) == sum(image["group"] == row["group"] for image in images)
        assert sorted(int(row["size"]) for row in groups) == [10, 30, 50, 50, 50, 50, 50, 50, 50, 50, 50, 50]
        expected = np.exp(0.5 * arrays["beta_log_var"][:, 1])
        np.testing.assert_allclose([float(row["beta_1_sd"]) for row in groups], expected, rtol=1e-4)


def test_images_in_no_group_are_groups_by_themselves() -> None:
    images, patients = torch.randint(256, (5, 8, 8), dtype=torch.uint8), torch.tensor([-1, 0, -1, 0, -1])
    data = ArrayDataModule.from_arrays(images, {"patient": patients}, split_by="none")
    model = make(UGVAE, SHAPE, double=False, local_posterior="given_beta")
    latents = encode(model, data, by="patient", splits=["test"], images_per_batch=2)
    assert latents.images["group"].tolist() == ["", "0", "", "0", ""]
    assert latents.groups["size"].tolist() == [2]
    for rows in ([0], [1, 3], [2], [4]):
        expected = model.infer(images[rows].view(1, -1, 1, 8, 8)).z.mean[0]
        assert_close(torch.from_numpy(latents.arrays["z_mean"][rows]), expected, rtol=1e-5, atol=1e-5)


def test_a_column_that_is_not_there_is_named(data: DigitsDataModule) -> None:
    with pytest.raises(ConfigError, match=r"^by: no column 'patient'; the data have label$"):
        encode(make(UGVAE, SHAPE, double=False), data, by="patient")


def test_columns_that_have_the_names_of_ours_are_kept(tmp_path: Path) -> None:
    np.save(tmp_path / "images.npy", np.zeros((30, 8, 8), np.uint8))
    lines = [f"{number % 3},{number},{number % 2}" for number in range(30)]
    (tmp_path / "metadata.csv").write_text("\n".join(["group,row,z_0", *lines]))
    data = ArrayDataModule(root=str(tmp_path), image_size=8, group_size=2)
    images = encode(make(UGVAE, SHAPE, double=False), data, by="z_0").images
    assert sorted(images["data_row"].tolist(), key=int) == list(map(str, range(30)))
    assert images["data_z_0"].tolist() == images["group"].tolist()
    for own, theirs in zip(images["data_group"], images["data_row"], strict=True):
        assert int(own) == int(theirs) % 3


def test_columns_of_groups_of_one_image_and_long_numbers() -> None:
    columns = {"patient": torch.tensor([0, 1, 1]), "visit": torch.tensor([20260131123, 20260131124, 20260131124])}
    data = ArrayDataModule.from_arrays(torch.zeros(3, 8, 8), columns, split_by="none")
    groups = encode(make(UGVAE, SHAPE, double=False), data, by="patient", splits=["test"]).groups
    assert groups["visit"].tolist() == ["20260131123", "20260131124"]
    assert groups["size"].tolist() == [1, 2]
