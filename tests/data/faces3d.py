"""Tiny 3D FACES: renderings named after the scans of the Basel Face Model, or after the factors they show."""

from pathlib import Path

from tests.data.pictures import save_picture

SCANS = ["00001_20061015_00418", "00002_20061015_00448", "00014_20080430_04338", "00017_20061201_00812"]


def write_faces3d(root: Path, num_scans: int = 10, views: int = 27) -> None:
    """Renderings as they ship: 10 scans, each in 9 poses and 3 lights; the picture's number is scan × views + view."""
    scans = SCANS + [f"{number:05d}_20080430_{number:05d}" for number in range(100, 100 + num_scans)]
    for scan in range(num_scans):
        for view in range(views):
            name = f"{scans[scan]}_neutral_face05_pose{view // 3}_light{view % 3}.png"
            save_picture(root / name, scan * views + view, 60, 72)


def write_factors(root: Path, num_scans: int = 10, views: int = 6) -> None:
    """Renderings with the factors in their names."""
    for scan in range(num_scans):
        for view in range(views):
            name = f"id{scan:03d}_az{view:02d}_el{9 - view:02d}_li{view % 3:02d}_ex{view % 2}.jpg"
            save_picture(root / name, scan * views + view, 64)
