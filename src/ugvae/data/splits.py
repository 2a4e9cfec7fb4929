"""Splits of a user's own images: by names, so that one image more moves no other; by folders; by a column."""

import hashlib
from collections.abc import Sequence
from pathlib import PurePosixPath

import numpy as np

from ugvae.data.listing import HELD_OUT, hold_out, numbered, split_by_object
from ugvae.data.table import SPLITS
from ugvae.errors import ConfigError, DataError, summary

SPLIT_OF = {  # the number of a split by the names that people give it, in lower case
    "train": 0, "training": 0, "val": 1, "valid": 1, "validation": 1, "dev": 1, "test": 2, "testing": 2,
}  # fmt: skip


def rule_of_splits(split_by: str | None, kinds: Sequence[str]) -> str:
    """The setting ``split_by``: by default ``group`` for groupings with ``given`` groups, else ``file``.

    Raises:
        ConfigError: a rule that would divide given groups.
    """
    given = "given" in kinds
    if given and split_by not in (None, "group", "none"):
        raise ConfigError(f"split_by: {split_by} would divide the given groups; use group, or leave it out")
    return split_by or ("group" if given else "file")


def split_by_rule(
    rule: str, split: np.ndarray | None, files: Sequence[str], groups: Sequence[str], column: str, where: str
) -> np.ndarray:
    """The user's ``split (N,)``, completed by the names that ``rule`` chooses: of the file, its folder or the group.

    The rule ``none`` puts all images into the test split; ``image`` is that of earlier runs: exact shares of all files,
    drawn with a fixed seed. ``groups`` are empty for images in none, and of use to the rule ``group``. ``column`` and
    ``where`` are for messages.

    Raises:
        DataError: too few names, or given groups that are divided.
    """
    if rule == "none":
        return np.full(len(files), 2)
    if rule == "image" and split is None:
        return split_by_object(np.arange(len(files)), f"images {where}")
    if rule == "image":
        for number in (2, 1):
            if not (split == number).any():
                split = hold_out(split, number, f"images {where}/train")
        return split
    names = files
    if rule == "folder":
        names = [str(PurePosixPath(file).parent) for file in files]
    elif rule == "group":
        names = [group or file for group, file in zip(groups, files, strict=True)]
    split = completed(split, names, f"{'image' if rule == 'file' else rule}s {where}")
    if rule == "group":
        check_whole(groups, split, column)
    return split


def split_by_name(names: Sequence[str], what: str, held_out: Sequence[int] = (2, 1)) -> np.ndarray:
    """The split of each image, ``(N,)``: 0 train, 1 val, 2 test. It depends on the image's own name alone.

    A hash of the name is a number that is uniform in [0, 1). Names below 0.1 are in the first of the splits
    ``held_out``, those below 0.2 in the second. Where few names would leave a split empty, it takes the nearest one.
    The names are of the images, or of the objects that must not be divided; ``what`` is their plural, for the message.

    Raises:
        DataError: fewer names than splits.

    Example:
        >>> split_by_name(["a.png", "b.png", "c.png", "d.png", "a.png"], "images").tolist()
        [0, 1, 2, 0, 0]
    """
    objects, distinct = numbered(names)
    if len(distinct) <= len(held_out):
        parts = ", ".join(SPLITS[number] for number in sorted([0, *held_out]))
        raise DataError(
            f"{len(distinct)} {what} cannot be divided into {parts}; at least {len(held_out) + 1} are needed"
        )
    hashes = (hashlib.sha256(name.encode(errors="surrogateescape")).digest() for name in distinct)
    places = np.array([int.from_bytes(value[:8], "big") / 2**64 for value in hashes])
    order, split, start = places.argsort(), np.zeros(len(distinct), np.int64), 0
    for position, number in enumerate(held_out):
        end = int((places < HELD_OUT * (position + 1)).sum())
        end = min(max(end, start + 1), len(distinct) - len(held_out) + position)
        split[order[start:end]], start = number, end
    return split[objects]


def completed(split: np.ndarray | None, names: Sequence[str], what: str) -> np.ndarray:
    """The user's ``split (N,)``, with a validation or test split that lacks cut from train; see ``split_by_name``."""
    if split is None:
        return split_by_name(names, what)
    train, split = np.flatnonzero(split == 0), split.copy()
    if missing := [number for number in (2, 1) if not (split == number).any()]:
        split[train] = split_by_name([names[row] for row in train], f"training {what}", missing)
    return split


def split_of_texts(texts: Sequence[str], where: str) -> np.ndarray:
    """The splits ``(N,)`` that a column names.

    Raises:
        DataError: a text that is the name of no split.
    """
    if strangers := sorted({text for text in texts if text.lower() not in SPLIT_OF}):
        count = sum(text.lower() not in SPLIT_OF for text in texts)
        raise DataError(
            f"{where}: {count:,} images have an unknown split: {summary([repr(text) for text in strangers])}; "
            "expected train, val or test"
        )
    return np.array([SPLIT_OF[text.lower()] for text in texts], np.int64)


def split_of_folders(images: Sequence[str], root: str) -> tuple[np.ndarray | None, list[tuple[str, ...]]]:
    """The splits that folders name, at the top or one level deeper, and the other folders of each image.

    Returns:
        ``(N,)``, None without a folder for training; and the folders above each image, without those of splits.

    Raises:
        DataError: images beside the folders of splits, or such folders without one for training.
    """
    folders = [PurePosixPath(name).parts[:-1] for name in images]
    for depth in (0, 1):
        names = [parts[depth].lower() if len(parts) > depth else "" for parts in folders]
        if not any(SPLIT_OF.get(name) == 0 for name in names):
            continue
        if strangers := [image for image, name in zip(images, names, strict=True) if name not in SPLIT_OF]:
            raise DataError(
                f"{root}: {len(strangers):,} images beside the folders train, val and test: {summary(strangers)}"
            )
        others = [parts[:depth] + parts[depth + 1 :] for parts in folders]
        if depth and len({parts[0] for parts in others}) == 1:  # one folder around everything, not a class
            others = [parts[1:] for parts in others]
        return np.array([SPLIT_OF[name] for name in names], np.int64), others
    if named := sorted({parts[0] for parts in folders if parts and parts[0].lower() in SPLIT_OF}):
        raise DataError(
            f"{root}: the folders {summary(named)} have names of splits, but there is no folder train; add it, or "
            "rename the folders if they are classes"
        )
    return None, folders


def check_whole(groups: Sequence[str], split: np.ndarray, column: str) -> None:
    """Checks that no group ``(N,)`` is in two splits; images with empty text are in no group.

    Raises:
        DataError: groups that are, counted; some are named.
    """
    places: dict[str, set[int]] = {}
    for group, number in zip(groups, split.tolist(), strict=True):
        places.setdefault(group, set()).add(number)
    if divided := sorted(group for group, numbers in places.items() if group and len(numbers) > 1):
        raise DataError(
            f"group_column: {len(divided):,} groups by {column!r} are in more than one split: {summary(divided)}; put "
            "each of them into one split, or leave the splits out"
        )
