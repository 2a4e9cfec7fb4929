"""Tiny 3D Cars: Reed's .mat files, and a folder of renderings for each car."""

from io import BytesIO
from pathlib import Path

import numpy as np
from scipy.io import savemat

from tests.data.pictures import colour, save_picture


def mat_bytes(compress: bool = False, **variables: object) -> bytes:
    """A MATLAB file of some variables."""
    buffer = BytesIO()
    savemat(buffer, variables, do_compression=compress)
    return buffer.getvalue()


def write_cars3d(root: Path, num_cars: int = 10) -> None:
    """``data/cars/car_NNN_mesh.mat`` with ``im`` (128, 128, 3, 24, 4) and no more.

    The picture's number is car × 96 + azimuth × 4 + elevation.
    """
    folder = root / "data" / "cars"
    folder.mkdir(parents=True, exist_ok=True)
    for car in range(num_cars):
        colours = np.array([colour(car * 96 + view) for view in range(96)], np.uint8).reshape(24, 4, 3)
        images = np.broadcast_to(colours.transpose(2, 0, 1), (128, 128, 3, 24, 4))
        (folder / f"car_{car + 1:03d}_mesh.mat").write_bytes(mat_bytes(True, im=images))


def write_car_folders(root: Path, num_cars: int = 10, views: int = 4) -> None:
    """A folder for each car; the picture's number is car × views + view."""
    for car in range(num_cars):
        for view in range(views):
            save_picture(root / f"model{car:02d}" / f"{view:03d}.png", car * views + view, 80, 60)
