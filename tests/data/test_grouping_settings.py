"""The grouping settings of a datamodule, and how bad ones are refused. Axes: G groups, B images."""

import math

import pytest
import torch

from tests.helpers.group_tables import make_sampler, make_table
from ugvae.data import module
from ugvae.data.groupings import OF_DOMAINS, Grouping
from ugvae.datamodules import DigitsDataModule
from ugvae.errors import ConfigError


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"kind": "sorted"}, "grouping: expected random, mixed, .*, similar or augmented, got 'sorted'"),
        ({"proportions": [0.5, 0.6]}, "proportions: .* sum to 1.1, not to 1"),
        ({"proportions": [1.5, -0.5]}, "proportions: expected numbers > 0"),
        ({"proportions": [float("nan"), 0.5]}, "proportions: expected numbers > 0"),
        ({"proportions": []}, "proportions: .* sum to 0, not to 1"),
        ({"concentration": 0.0}, "concentration: expected a number > 0"),
        ({"concentration": math.inf}, "concentration: expected a number > 0"),
        ({"statistics": ["ink", "hue"]}, "statistics: expected ink, brightness, .* or slant, got 'hue'"),
        ({"statistics": []}, "statistics: expected one or more of ink, .* got \\[\\]"),
        ({"statistics": ["slant", "slant"]}, "statistics: .* each once, got"),
        ({"changes": ["blur"]}, "changes: expected thickness, .* or colour, got 'blur'"),
        ({"changes": []}, "changes: expected one or more of thickness"),
        ({"random_share": 1.0}, "random_share: expected 0 or more and less than 1, got 1.0"),
        ({"random_share": math.nan}, "random_share: expected 0 or more"),
        ({"widest_window": 0.0}, "widest_window: expected more than 0 and at most 1, got 0.0"),
        ({"widest_window": 1.5}, "widest_window: expected more than 0"),
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
        ({"eval_grouping": "augmented"}, "eval_grouping"),
        ({"grouping": "attribute", "statistics": ["slant"]}, "statistics"),
        ({"grouping": "attribute", "random_share": 0.5}, "random_share"),
        ({"grouping": "attribute", "widest_window": 0.5}, "widest_window"),
        ({"grouping": "similar", "changes": ["shear"]}, "changes"),
    ],
)
def test_bad_setting_of_a_datamodule_is_named(settings: dict, name: str) -> None:
    with pytest.raises(ConfigError, match=f"^{name}: "):
        DigitsDataModule(**settings)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"grouping": "similar", "statistics": ["warmth"]}, "statistics: warmth needs images in colour"),
        ({"grouping": "augmented", "changes": ["colour"]}, "changes: colour needs images of 3 channels, they have 1"),
    ],
)
def test_what_grey_images_do_not_have_is_named(settings: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=f"^{message}"):
        DigitsDataModule(image_size=8, **settings).train_dataloader()


def test_similar_groups_of_evaluation_have_the_settings_of_training() -> None:
    data = DigitsDataModule(image_size=8, group_size=4, eval_grouping="similar", widest_window=0.03)
    ink = data.table("test").statistics(["ink"])[:, 0]
    spread = torch.cat([ink[batch["index"]] for batch in data.test_dataloader()]).std(1).mean()
    assert spread < 0.2 * ink.std()
    of_training = data.table("train").statistics(["ink"])[:, 0]
    spread = torch.cat([of_training[batch["index"]] for batch in data.train_dataloader()]).std(1).mean()
    assert spread > 0.8 * of_training.std()


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
