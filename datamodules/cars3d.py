"""3D Cars: renderings of CAD cars, as Reed's .mat files or as a folder of images."""

from pathlib import Path

import numpy as np
from PIL import Image

from ugvae.data.decoding import CorruptFileError, Transform, fit
from ugvae.data.image_files import NamedObjectsDataModule
from ugvae.data.listing import Listing, Sources, numbered, scan, split_by_object
from ugvae.data.matlab import matlab_variable

SHAPE = (128, 128, 3, 24, 4)  # the last two are azimuths and elevations


class Cars3DDataModule(NamedObjectsDataModule):
    """Rendered cars, of the CAD models of Fidler et al. 2012. Columns: ``car``, and its views.

    Two datasets have this name, and both are read: the files ``car_*_mesh.mat`` of Reed et al. 2015, at any depth below
    ``root`` (columns ``azimuth`` 0-23 and ``elevation`` 0-3), which are preferred if there are any; and a folder of
    renderings (column ``view``), where a car is a folder, or the beginning of the names of its images.

    Splits: whole cars, about 80, 10 and 10 %, cut with a fixed seed.

    Args:
        root: folder of the files.
        pattern: for a folder of images, a regular expression that is searched in the path below ``root``; its named
            groups become columns, and ``car`` must be one of them.
        **kwargs: the settings of ``ImageFilesDataModule``.
    """

    title = "3D Cars"
    object_column = "car"
    tree = """
  {root}/
    car_*_mesh.mat, at any depth (as in data/cars of nips2015-analogy-data), or
    <car>/*.png: a folder of renderings for each car"""
    source = """Reed's files: nips2015-analogy-data.tar.gz of http://www.scottreed.info;
  renderings of the CAD models: https://www.cs.toronto.edu/~fidler/projects/CAD.html"""
    licence = "none is stated by the owners: research use"

    def __init__(self, root: str = "data/cars3d", pattern: str | None = None, **kwargs) -> None:
        super().__init__(root, pattern=pattern, **kwargs)

    def find(self) -> Sources:
        files = scan(Path(self.root), suffixes={".mat"})
        meshes = {name: stamp for name, stamp in files.items() if name.endswith("_mesh.mat")}
        return meshes or super().find()

    def describe(self, files: list[str]) -> Listing:
        if not files[0].endswith(".mat"):
            return super().describe(files)
        cars, names = numbered([Path(name).name.removesuffix("_mesh.mat") for name in files])
        *_, azimuths, elevations = SHAPE
        car, azimuth, elevation = np.indices((len(files), azimuths, elevations)).reshape(3, -1)
        columns = {"car": cars[car], "azimuth": azimuth, "elevation": elevation}
        split = split_by_object(cars, f"cars under {self.root}")
        return Listing(files, split, columns, {"car": names}, azimuths * elevations, decode_mesh)


def decode_mesh(data: bytes, transform: Transform) -> np.ndarray:
    """Decodes one of Reed's files; its key ``im`` is (H, W, 3, azimuth, elevation), 0 to 255 or fractions of 1.

    Returns uint8 ``(96, C, H, W)``, the elevations of the first azimuth first.

    Raises:
        CorruptFileError: another file, key or shape, or values out of range.
    """
    images = matlab_variable(data, "im")
    if images.shape != SHAPE or images.dtype.kind not in "uif":
        raise CorruptFileError(f"'im' has shape {images.shape} and type {images.dtype}, expected {SHAPE} of numbers")
    low, high = images.min(), images.max()
    if not (low >= 0 and high <= 255):  # NaN is out of range too
        raise CorruptFileError(f"'im' has values from {low:.6g} to {high:.6g}, expected 0 to 255 or 0 to 1")
    fractions = images.dtype.kind == "f" and high <= 1
    images = (images * (255 if fractions else 1)).round().astype(np.uint8) if images.dtype != np.uint8 else images
    views = images.transpose(3, 4, 0, 1, 2).reshape(-1, *SHAPE[:3])
    mode = "RGB" if transform.channels == 3 else "L"
    return np.concatenate([fit(Image.fromarray(view).convert(mode), transform) for view in views])
