"""Columns read from whole groups by linear probes, on groups whose brightness is known."""

import numpy as np
import pytest
import torch

from tests.helpers.small_models import make
from ugvae.data.module import GroupDataModule
from ugvae.data.table import ImageTable
from ugvae.errors import ConfigError
from ugvae.evaluation.classification import PIXELS
from ugvae.evaluation.group_probes import ACCURACY, R2, _features, probe_groups
from ugvae.evaluation.latents import encode
from ugvae.models import UGVAE

GROUPS = {"train": 60, "val": 8, "test": 12}


class Wards(GroupDataModule):
    """Wards of 1 to 5 noisy images, each with a brightness of its own, a number without a meaning, and a site."""

    def __init__(self, groups: dict[str, int], columns: tuple[str, ...] = ("brightness", "number", "site")) -> None:
        super().__init__("", image_size=8, group_size=4, grouping="given", group_column="ward")
        self.groups, self.shown = groups, columns

    @property
    def names(self) -> dict[str, list[str]]:
        return {"site": ["north", "south"]}

    def read_split(self, split: str) -> ImageTable:
        rng = np.random.default_rng(list(self.groups).index(split))
        count = self.groups[split]
        sizes = 1 + np.arange(count) % 5
        ward = {
            "brightness": rng.uniform(0.2, 0.8, count),
            "number": rng.uniform(0, 1, count),
            "site": np.arange(count) % 2,
        }
        columns = {name: torch.from_numpy(ward[name].repeat(sizes)) for name in self.shown}
        noise = rng.uniform(-0.1, 0.1, (sizes.sum(), 1, 8, 8))
        noise[:, :, :, :4] += 0.1 * ward["site"].repeat(sizes)[:, None, None, None]
        images = 255 * (ward["brightness"].repeat(sizes)[:, None, None, None] + noise)
        wards = torch.arange(count).repeat_interleave(torch.from_numpy(sizes))
        return ImageTable(torch.from_numpy(images).to(torch.uint8), {"ward": wards, **columns})


@pytest.fixture
def model() -> UGVAE:
    return make(UGVAE, (1, 8, 8), double=False)


def test_what_is_in_the_images_is_read_and_nothing_else(model: UGVAE) -> None:
    probes = probe_groups(model, Wards(GROUPS), "ward")
    assert {name: probe.measure for name, probe in probes.items()} == {"brightness": R2, "number": R2, "site": ACCURACY}
    brightness, number, site = probes.values()
    assert brightness.groups == {"train": 60, "held out": 20}
    assert brightness.scores[PIXELS] > 0.95
    assert brightness.scores["beta mean"] > 0.9, "means of an untrained network read it too"
    assert max(number.scores.values()) < 0.3
    assert (brightness.chance, site.chance) == (0.0, 0.5)
    assert site.scores[PIXELS] > 0.9
    assert np.corrcoef(brightness.true, brightness.read)[0, 1] > 0.9
    assert site.true is None


def test_mean_z_of_groups_of_any_size(model: UGVAE) -> None:
    latents = encode(model, Wards(GROUPS), "ward")
    features = _features(latents, seed=0)
    for number in (0, 4, 79):
        members = latents.arrays["image_group"] == number
        np.testing.assert_allclose(features["mean z"][number], latents.arrays["z_mean"][members].mean(0), atol=1e-6)
    spread = (features["beta sample"] - features["beta mean"]) / np.exp(0.5 * latents.arrays["beta_log_var"])
    assert 0.8 < spread.std() < 1.2, "a sample lies a posterior s.d. from the mean"


@pytest.mark.parametrize(
    ("groups", "columns", "message"),
    [
        ({**GROUPS, "test": 1}, ("site",), "^by: ward makes 60 training groups and 9 of validation and test; a probe"),
        (GROUPS, (), "^by: no other column has one value within each ward, and different ones between them"),
    ],
)
def test_refusals(groups: dict[str, int], columns: tuple[str, ...], message: str, model: UGVAE) -> None:
    with pytest.raises(ConfigError, match=message):
        probe_groups(model, Wards(groups, columns), "ward")
