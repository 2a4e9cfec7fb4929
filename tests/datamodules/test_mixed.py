"""Several datasets as one. Axes: G groups, B images, M rows, C channels."""

import pytest
import torch
from torch import Tensor

from ugvae.data.module import GroupDataModule
from ugvae.data.table import ConcatImages, ImageTable
from ugvae.datamodules import DigitsDataModule, mixed
from ugvae.datamodules.mixed import MixedDataModule
from ugvae.errors import ConfigError

SIZES = {"train": 40, "val": 12, "test": 8}
MARK = {"train": 0, "val": 100, "test": 200}


class FakeDataModule(GroupDataModule):
    """Every image says in its first channel which split and row it is; colour images are 255 in the others."""

    def __init__(
        self,
        root: str = "fake",
        channels: int = 1,
        factor: int = 1,
        offset: int = 0,
        names: tuple[str, ...] = ("label",),
        classes: tuple[str, ...] = (),
        **kwargs,
    ) -> None:
        self.channels = channels
        super().__init__(root, **kwargs)
        self.factor, self.offset, self.column_names, self.classes = factor, offset, names, list(classes)
        self.calls: list[str] = []

    @property
    def names(self) -> dict[str, list[str]]:
        return {"label": self.classes} if self.classes else {}

    def prepare_data(self) -> None:
        self.calls.append("prepare_data")

    def setup(self, stage: str) -> None:
        self.calls.append(stage)

    def read_split(self, split: str) -> ImageTable:
        rows = torch.arange(SIZES[split] * self.factor)
        pixels = (MARK[split] + rows + self.offset).to(torch.uint8).view(-1, 1, 1, 1)
        images = pixels.expand(-1, self.channels, self.image_size, self.image_size).clone()
        images[:, 1:] = 255  # colour says which domain
        return ImageTable(images, dict.fromkeys(self.column_names, rows % 3))


class OtherDataModule(FakeDataModule):
    """A class of another name."""


def pair(grey: dict | None = None, colour: dict | None = None, **options) -> MixedDataModule:
    """A grey domain of 40 images and a colour domain of 80."""
    first = FakeDataModule(image_size=4, **(grey or {}))
    second = OtherDataModule(**{"image_size": 4, "channels": 3, "factor": 2, "offset": 7, **(colour or {})})
    return MixedDataModule([first, second], **{"group_size": 4, "groups_per_batch": 2, **options})


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What a mixture says."""
    lines: list[str] = []
    monkeypatch.setattr(mixed, "rank_zero_info", lines.append)
    return lines


@pytest.mark.parametrize("split", list(SIZES))
def test_split_is_that_of_every_domain_with_its_number(split: str) -> None:
    data = pair()
    table = data.table(split)
    size = SIZES[split]
    assert data.image_shape == (3, 4, 4)
    assert table.images.shape == (3 * size, 3, 4, 4)
    assert table.columns["domain"].tolist() == [0] * size + [1] * 2 * size
    grey, colour = (domain.table(split) for domain in data.domains)
    assert torch.equal(table.images[:size], grey.images.expand(-1, 3, -1, -1))  # the channel is repeated
    assert torch.equal(table.images[size:], colour.images)
    assert torch.equal(table.columns["label"], torch.cat([grey.columns["label"], colour.columns["label"]]))


def test_nothing_is_copied() -> None:
    data = pair()
    table = data.table("train")
    assert isinstance(table.images, ConcatImages)
    for source, domain in zip(table.images.sources, data.domains, strict=True):
        assert source.data_ptr() == domain.table("train").images.data_ptr()


def test_grey_domains_stay_grey() -> None:
    data = pair(colour={"channels": 1})
    assert data.image_shape == (1, 4, 4)
    assert data.table("val").images.shape == (36, 1, 4, 4)


GROUPINGS = ["random", "mixed", "pure", "proportions", "attribute", "similar", "augmented"]


@pytest.mark.parametrize("grouping", GROUPINGS)
def test_batches_of_every_grouping(grouping: str) -> None:
    data = pair(grouping=grouping)
    for split in ("train", "val", "test", "predict"):
        table = data.table("test" if split == "predict" else split)
        batches = list(getattr(data, f"{split}_dataloader")())
        for batch in batches:
            change = {"group_change"} if grouping == "augmented" and split == "train" else set()
            assert set(batch) == {"image", "index", "label", "domain", *change}
            assert batch["image"].dtype == torch.uint8
            assert batch["image"].shape[1:] == (4, 3, 4, 4)
            assert torch.equal(batch["image"], table.images[batch["index"]])
            assert torch.equal(batch["domain"], table.columns["domain"][batch["index"]])
            assert torch.equal(batch["image"][:, :, -1, 0, 0] == 255, batch["domain"] == 1)
            if grouping == "pure":
                assert (batch["domain"] == batch["domain"][:, :1]).all()
        domains = torch.cat([batch["domain"].flatten() for batch in batches])
        if grouping in ("mixed", "pure"):
            assert 0.25 < domains.float().mean() < 0.75


def pixels(batches: list[dict[str, Tensor]]) -> set[tuple[int, int]]:
    """(domain, pixel) of all images."""
    pairs = [(batch["domain"].flatten(), batch["image"][:, :, 0, 0, 0].flatten()) for batch in batches]
    return {pair for domain, pixel in pairs for pair in zip(domain.tolist(), pixel.tolist(), strict=True)}


@pytest.mark.parametrize("grouping", GROUPINGS)
def test_training_never_sees_a_held_out_image(grouping: str) -> None:
    data = pair(grouping=grouping, group_column="domain")
    loader = data.train_dataloader()
    seen = set()
    for epoch in range(4):
        loader.sampler.set_epoch(epoch)
        seen |= pixels(list(loader))
    held_out = pixels([*data.val_dataloader(), *data.test_dataloader()])
    assert held_out
    assert not seen & held_out
    assert len(seen) > 100  # of 120, in four epochs


def test_prepare_and_setup_are_those_of_the_domains() -> None:
    data = pair()
    data.prepare_data()
    data.setup("fit")
    assert [domain.calls for domain in data.domains] == [["prepare_data", "fit"]] * 2


def test_columns_that_some_lack_are_left_out_with_a_note(told: list[str]) -> None:
    data = pair(colour={"names": ("pose", "label")})
    assert set(data.table("train").columns) == {"label", "domain"}
    data.table("val")
    assert len(told) == 1
    assert told[0].startswith("domains: pose left out, since not all of Fake, Other")
    many = pair(colour={"names": tuple("abcdefg")})
    many.table("val")
    assert told[1].startswith("domains: label, a, b, c, d and 3 more left out")


def test_labels_of_other_classes_are_left_out_with_a_note(told: list[str]) -> None:
    same = {"classes": ("cat", "dog", "owl")}
    assert pair(same, same).value_names("label") == {0: "cat", 1: "dog", 2: "owl"}
    assert set(pair(same, same).table("train").columns) == {"label", "domain"}
    assert not told
    data = pair(same, {"classes": ("ant", "bee", "fly")})
    assert set(data.table("train").columns) == {"domain"}
    assert data.value_names("label") == {}
    assert len(told) == 1
    assert told[0].startswith("domains: label left out")


def test_numbers_agree_with_their_names(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    monkeypatch.setattr(mixed, "rank_zero_info", told.append)
    for numbers in ((), ("0", "1", "2")):
        data = pair({"classes": numbers}, {"classes": ("0", "1", "2")})
        assert set(data.table("train").columns) == {"label", "domain"}
    assert not told
    assert "label" not in pair({"classes": ()}, {"classes": ("0", "2", "1")}).table("train").columns
    assert told[0].endswith("give their values the same names in all, in one order")


def test_names_of_the_domains() -> None:
    assert pair().domain_names == ["Fake", "Other"]
    assert pair().value_names("domain") == {0: "Fake", 1: "Other"}
    twice = [FakeDataModule("some/photos"), FakeDataModule("some/drawings")]
    assert MixedDataModule(twice).domain_names == ["photos", "drawings"]
    assert MixedDataModule([FakeDataModule("a/x"), FakeDataModule("b/x")]).domain_names == ["domain 0", "domain 1"]
    assert pair(domain_names=["real", "drawn"]).domain_names == ["real", "drawn"]


def test_one_size_for_all() -> None:
    data = pair(colour={"image_size": 6}, image_size=5)
    assert data.image_shape == (3, 5, 5)
    assert data.table("test").images.shape == (24, 3, 5, 5)
    assert pair().image_size == 4  # that of the domains


def test_roots_take_the_place_of_those_of_the_domains() -> None:
    data = pair(roots=["here", "there"])
    assert [domain.root for domain in data.domains] == ["here", "there"]


def test_mixtures_can_be_mixed() -> None:
    inner = MixedDataModule([FakeDataModule(image_size=8), OtherDataModule(image_size=8)])
    data = MixedDataModule([inner, DigitsDataModule(image_size=9)], image_size=7, domain_names=["fakes", "digits"])
    table = data.table("val")
    assert table.images.shape == (24 + 180, 1, 7, 7)
    assert torch.bincount(table.columns["domain"]).tolist() == [24, 180]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"proportions": [1.0]}, "proportions: 1 for 2 domains"),
        ({"roots": ["a"]}, "roots: 1 for 2 domains"),
        ({"domain_names": ["a", "b", "c"]}, "domain_names: 3 for 2 domains"),
        ({"proportions": [0.5, 0.6]}, "proportions: .* sum to 1.1"),
        ({"grouping": "random", "proportions": [0.5, 0.5]}, "proportions: without effect"),
        ({"grouping": "domain"}, "grouping: expected random, mixed"),
        ({"colour": {"image_size": 6}}, "image_size: the domains have 4, 6; give one for all"),
        ({"grey": {"channels": 2}}, r"domains: images of \[2, 3\] channels cannot be mixed"),
    ],
)
def test_settings_that_do_not_mix_are_named(options: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=f"^{message}"):
        pair(**options)


def test_two_domains_are_needed() -> None:
    with pytest.raises(ConfigError, match=r"^domains: expected two or more datamodules, got 1"):
        MixedDataModule([FakeDataModule()])


def test_domain_smaller_than_a_group_is_named() -> None:
    with pytest.raises(ConfigError, match=r"^group_size: Fake has 12 images in the split, fewer than the 16"):
        pair(group_size=16).val_dataloader()
