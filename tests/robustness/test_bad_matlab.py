"""MATLAB files of 3D Cars and Stanford Cars that are damaged or hold other things."""

import tempfile
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.data.cars3d import mat_bytes
from tests.data.stanford_cars import label, save_annotations
from tests.helpers.bad_input import attempt, damaged
from ugvae.data.decoding import Transform
from ugvae.data.matlab import MAX_VALUES
from ugvae.datamodules import Cars3DDataModule
from ugvae.datamodules.cars3d import SHAPE, decode_mesh
from ugvae.datamodules.stanford_cars import read_annotations, read_classes
from ugvae.errors import DataError

KIND = "MATLAB files"
NAMES = [f"{number:05d}.jpg" for number in range(1, 9)]
pytestmark = pytest.mark.filterwarnings("ignore")  # scipy warns of what it then fails at


@cache
def mesh(compressed: bool) -> bytes:
    """One of Reed's files, all of one colour: small when compressed."""
    return mat_bytes(compressed, im=np.full(SHAPE, 200, np.uint8))


@cache
def annotations() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        save_annotations(Path(folder) / "annotations.mat", NAMES)
        return (Path(folder) / "annotations.mat").read_bytes()


@given(st.data(), st.booleans())
def test_damaged_mesh(data: st.DataObject, head: bool) -> None:
    whole = mesh(True)
    content = data.draw(damaged(whole[:256])) + whole[256:] if head else data.draw(damaged(whole))
    images = attempt(KIND, lambda: decode_mesh(content, Transform(4)))
    assert images is None or (images.shape == (96, 3, 4, 4) and images.dtype == np.uint8)


@given(st.data())
def test_damaged_head_of_a_mesh_that_is_not_compressed(data: st.DataObject) -> None:
    content = data.draw(damaged(mesh(False)[:256])) + mesh(False)[256:]
    images = attempt(KIND, lambda: decode_mesh(content, Transform(4)))
    assert images is None or images.shape == (96, 3, 4, 4)


@given(st.binary(max_size=300), st.booleans())
def test_noise(content: bytes, head: bool) -> None:
    attempt(KIND, lambda: decode_mesh((mesh(True)[:128] if head else b"") + content, Transform(4)))


@pytest.mark.parametrize(
    ("change", "wanted"),
    [
        (lambda a: a.astype(np.float64) / 255, 200),
        (lambda a: a.astype(np.float32), 200),
        (lambda a: a.astype(np.uint16), 200),
        (lambda a: np.minimum(a, 1).astype(np.int16), 1),  # whole numbers are no fractions
        (lambda a: a.astype(np.uint16) * 257, None),  # 16 bits: neither clipped nor guessed at
        (lambda a: a.astype(np.float64) - 300, None),
        (lambda a: a.astype(np.float64) * np.nan, None),
        (lambda a: a.astype(np.float64) * np.inf, None),
        (lambda a: a.astype(np.complex64), None),
        (lambda a: a[..., 0], None),
        (lambda a: a[:64], None),
        (lambda a: a.transpose(4, 3, 2, 1, 0), None),
        (lambda a: "text", None),
        (lambda a: {"im": 1}, None),
        (lambda a: np.array(["a", "b"], object), None),
    ],
    ids=[
        *("fractions", "float", "16-bit type", "ones", "16 bits", "negative", "not a number", "infinite", "complex"),
        *("four axes", "small", "reversed axes", "text", "struct", "cells"),
    ],
)
def test_values_and_types(change: object, wanted: int | None) -> None:
    images = attempt(KIND, lambda: decode_mesh(mat_bytes(im=change(np.full(SHAPE, 200, np.uint8))), Transform(4)))
    assert (images is None) if wanted is None else (images == wanted).all()


def test_bomb_is_refused_by_its_header() -> None:
    """16 million zeros in a few kB, and a header that states 200 times as many."""
    whole = bytearray(mat_bytes(im=np.zeros((8, 8), np.uint8)))
    place = whole.index(np.array([8, 8], "<i4").tobytes())
    whole[place : place + 8] = np.array([MAX_VALUES, 2], "<i4").tobytes()
    assert attempt(KIND, lambda: decode_mesh(bytes(whole), Transform(4))) is None


def test_folder_of_damaged_meshes_is_named(tmp_path: Path) -> None:
    for car in range(4):
        (tmp_path / f"car_{car}_mesh.mat").write_bytes(mesh(True) if car else mesh(True)[:-9])
    data = Cars3DDataModule(str(tmp_path), image_size=4, cache_workers=1)
    assert attempt(KIND, data.prepare_data, tmp_path / "car_0_mesh.mat") is None


# -------------------------------------------------------------------------------------------------------- annotations


def labels_of(path: Path, content: bytes, images: list[str] = NAMES) -> np.ndarray | None:
    path.write_bytes(content)
    return attempt(KIND, lambda: read_annotations(path, images), path)


@given(order=st.permutations(NAMES))
def test_annotations_in_another_order(tmp_path: Path, order: list[str]) -> None:
    save_annotations(tmp_path / "other.mat", order)
    labels = labels_of(tmp_path / "a.mat", (tmp_path / "other.mat").read_bytes())
    assert labels.tolist() == [label(int(name[:5])) for name in NAMES]


@given(names=st.lists(st.sampled_from([*NAMES, "00009.jpg", "00010.jpg"]), max_size=10))
def test_annotations_of_other_images(tmp_path: Path, names: list[str]) -> None:
    save_annotations(tmp_path / "other.mat", names)
    labels = labels_of(tmp_path / "a.mat", (tmp_path / "other.mat").read_bytes())
    assert (labels is not None) == (sorted(names) == NAMES)


@given(data=st.data())
def test_damaged_annotations(tmp_path: Path, data: st.DataObject) -> None:
    labels = labels_of(tmp_path / "a.mat", data.draw(damaged(annotations())))
    assert labels is None or labels.shape == (len(NAMES),)


@pytest.mark.parametrize("value", ["text", np.nan, np.inf, -3.0, [1.0, 2.0], {"a": 1}], ids=str)
def test_class_that_is_no_class(tmp_path: Path, value: object) -> None:
    rows = np.empty((1, 8), dtype=[("class", object), ("fname", object)])
    for position, name in enumerate(NAMES):
        rows[0, position] = (value if position == 3 else 1.0, name)
    assert labels_of(tmp_path / "a.mat", mat_bytes(annotations=rows)) is None


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not a whole MATLAB file"),
        (mat_bytes(), "no key 'annotations' in this MATLAB file"),
        (mat_bytes(annotations=3), "'annotations' has no field 'fname'"),
        (mat_bytes(annotations="text"), "'annotations' has no field 'fname'"),
        (mat_bytes(annotations=np.zeros((2, 2))), "'annotations' has no field 'fname'"),
    ],
)
def test_annotations_that_are_none(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "a.mat"
    path.write_bytes(content)
    with pytest.raises(DataError, match=f"^{path}: {message}"):
        read_annotations(path, NAMES)


@given(data=st.data())
def test_damaged_class_names(tmp_path: Path, data: st.DataObject) -> None:
    whole = mat_bytes(class_names=np.array([["Hummer", "Acura"]], dtype=object))
    (tmp_path / "meta.mat").write_bytes(data.draw(damaged(whole)))
    names = attempt(KIND, lambda: read_classes(tmp_path / "meta.mat"), tmp_path)
    assert names is None or all(isinstance(name, str) for name in names)
