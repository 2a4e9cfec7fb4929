"""The grouping settings of a datamodule, and how bad ones are refused. Axes: G groups, B images."""

import math

import pytest
import torch

from tests.helpers.group_tables import make_sampler, make_table
from ugvae.data import module
from ugvae.data.groupings import Grouping
from ugvae.datamodules import DigitsDataModule
from ugvae.errors import ConfigError

OF_DOMAINS = ["mixed", "pure", "proportions"]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"kind": "sorted"}, "grouping: expected random, mixed, pure, proportions, attribute or given, got 'sorted'"),
        ({"proportions": [0.5, 0.6]}, "proportions: .* sum to 1.1, not to 1"),
        ({"proportions": [1.5, -0.5]}, "proportions: expected numbers > 0"),
        ({"proportions": [float("nan"), 0.5]}, "proportions: expected numbers > 0"),
        ({"proportions": []}, "proportions: .* sum to 0, not to 1"),
        ({"concentration": 0.0}, "concentration: expected a number > 0"),
        ({"concentration": math.inf}, "concentration: expected a number > 0"),
    ],
)
def test_bad_grouping_is_named(settings: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=f"^{message}"):
        Grouping(**settings)


@pytest.mark.parametrize(
    ("sizes", "options", "message"),
    [
        ([9, 9], {"kind": "attribute", "column": "Male"}, "group_column: no column 'Male'; .* domain, label"),
        ([9, 9, 9], {"kind": "mixed", "proportions": [0.5, 0.5]}, "proportions: 2 for 3 domains: domain = 0"),
        ([9, 3], {"kind": "pure"}, "group_size: domain = 1 has 3 images in the split, fewer than the 4 of a group"),
        ([9, 3], {"kind": "mixed"}, "group_size: domain = 1 has 3"),
        ([9, 3], {"kind": "attribute"}, "group_size: label = 1 has 3"),
        ([9, 9], {"kind": "pure", "groups_per_batch": 5}, "group_size × groups_per_batch: 4 × 5 on 1 .* has 16$"),
    ],
)
def test_data_that_do_not_fit_are_named(sizes: list[int], options: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=f"^{message}"):
        make_sampler(make_table(sizes), **options)


@pytest.mark.parametrize("kind", OF_DOMAINS)
def test_domains_are_needed(kind: str) -> None:
    with pytest.raises(ConfigError, match=rf"^grouping: {kind} needs the column 'domain'.*MixedDataModule.* label$"):
        DigitsDataModule(image_size=8, grouping=kind).train_dataloader()


def test_datamodule_groups_all_splits_alike_by_default() -> None:
    data = DigitsDataModule(image_size=8, grouping="attribute", group_size=2)  # the pairs of NestedVAE
    for loader in (data.train_dataloader(), data.val_dataloader(), data.test_dataloader(), data.predict_dataloader()):
        labels = torch.cat([batch["label"] for batch in loader])
        assert (labels[:, 0] == labels[:, 1]).all()
    mixed = torch.cat([batch["label"] for batch in DigitsDataModule(image_size=8, group_size=2).train_dataloader()])
    assert not (mixed[:, 0] == mixed[:, 1]).all()


def test_evaluation_may_have_groups_of_its_own() -> None:
    data = DigitsDataModule(image_size=8, grouping="attribute", eval_grouping="random", group_size=8)
    random = DigitsDataModule(image_size=8, group_size=8)
    pairs = zip(data.val_dataloader(), random.val_dataloader(), strict=True)
    assert all(torch.equal(got["index"], want["index"]) for got, want in pairs)
    labels = torch.cat([batch["label"] for batch in data.train_dataloader()])
    assert (labels == labels[:, :1]).all()


@pytest.mark.parametrize(
    ("settings", "name"),
    [
        ({"grouping": "label"}, "grouping"),
        ({"eval_grouping": "label"}, "eval_grouping"),
        ({"proportions": [0.5, 0.5]}, "proportions"),
    ],
)
def test_bad_setting_of_a_datamodule_is_named(settings: dict, name: str) -> None:
    with pytest.raises(ConfigError, match=f"^{name}: "):
        DigitsDataModule(**settings)


def test_repeats_are_announced_once(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    monkeypatch.setattr(module, "rank_zero_info", told.append)
    data = DigitsDataModule(image_size=8, grouping="attribute")
    data.train_dataloader()
    assert not told  # nothing is repeated
    data = DigitsDataModule(image_size=8, grouping="pure")
    domain = torch.zeros(1257, dtype=torch.long)
    domain[:30] = 1
    data.table("train").columns["domain"] = domain
    data.train_dataloader()
    assert len(told) == 1
    assert "one pass over domain = 0 (1,227 images), and repeats domain = 1 (30 images) 40.5 times" in told[0]
