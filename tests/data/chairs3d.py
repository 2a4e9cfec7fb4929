"""Tiny 3D Chairs as their owners ship them: a folder of models, each with renders on white, 600×600 pixels."""

from pathlib import Path

from PIL import Image
from scipy.io import savemat

from tests.data.pictures import picture


def write_chairs3d(root: Path, num_chairs: int = 10, views: int = 20) -> None:
    """``<model>/renders/image_*.png``, and the list of the models; picture chair × views + view, amid the white."""
    for chair in range(num_chairs):
        folder = root / f"{chair * 7919:032x}" / "renders"
        folder.mkdir(parents=True, exist_ok=True)
        for view in range(views):
            image = Image.new("RGB", (600, 600), "white")
            image.paste(picture(chair * views + view, 240, 300), (180, 150))
            elevation, azimuth = (20, 30)[view % 2], view // 2 * 12 - view // 20
            name = f"image_{view:03d}_p{elevation:03d}_t{azimuth:03d}_r096.png"
            image.save(folder / name, compress_level=1)
    savemat(root / "all_chair_names.mat", {"folder_names": [folder.name for folder in root.iterdir()]})
