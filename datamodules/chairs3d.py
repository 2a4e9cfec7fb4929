"""3D Chairs: 1,393 CAD chairs from 62 views each, as their owners ship them."""

from pathlib import Path, PurePosixPath

import numpy as np

from ugvae.data.decoding import Transform
from ugvae.data.image_files import ImageFilesDataModule, inner
from ugvae.data.listing import Listing, Sources, columns_of_names, numbered, position_within, scan, split_by_object

VIEWS = (
    r"image_\d+_p(?P<elevation>\d+)_t(?P<azimuth>\d+)_r\d+\.\w+$",  # the owners': degrees
    r"_az(?P<azimuth>\d+)_el(?P<elevation>\d+)\.\w+$",  # numbers on a grid
)


class Chairs3DDataModule(ImageFilesDataModule):
    """Rendered chairs (Aubry et al. 2014). Columns: ``chair``, ``view`` within it, ``azimuth`` and ``elevation``.

    Both angles are in degrees with the owners' names, ``image_000_p020_t000_r096.png``.

    Splits: whole chairs, about 80, 10 and 10 %, cut with a fixed seed.

    Args:
        root: folder ``rendered_chairs``, or one that holds it.
        trim: cut the white border of each image, to the smallest centre square that holds the chair. By default the
            whole 600×600 pixels are reduced: all chairs at one scale, as in the paper, and all views of a chair too.
        **kwargs: the settings of ``ImageFilesDataModule``.
    """

    title = "3D Chairs"
    tree = """
  {root}/                                  (or rendered_chairs/ in it)
    <model>/renders/image_*.png            1,393 models, 62 images each; .jpg will do"""
    source = "https://www.di.ens.fr/willow/research/seeing3Dchairs/, rendered_chairs.tar"
    licence = "none is stated by the owners: research use"

    def __init__(self, root: str = "data/rendered_chairs", trim: bool = False, **kwargs) -> None:
        super().__init__(root, **kwargs)
        self.trim = trim

    def transform(self) -> Transform:
        return Transform(self.image_size, self.channels, trim=self.trim)

    def find(self) -> Sources:
        root = Path(self.root)
        files = scan(root, inner(root, "rendered_chairs"))
        renders = {name: stamp for name, stamp in files.items() if PurePosixPath(name).parent.name == "renders"}
        if not renders:
            raise self.missing("no images in folders <model>/renders")
        return renders

    def describe(self, files: list[str]) -> Listing:
        chairs, names = numbered([PurePosixPath(name).parent.parent.name for name in files])
        columns = {"chair": chairs, "view": position_within(chairs)}
        for name, values in columns_of_names(files, VIEWS).items():
            columns[name] = np.array([int(value) for value in values], np.int64)
        split = split_by_object(chairs, f"chairs under {self.root}")
        return Listing(files, split, columns, {"chair": names})
