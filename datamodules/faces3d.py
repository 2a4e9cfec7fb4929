"""3D FACES: renderings of 3D scans, such as the 270 that ship with the Basel Face Model of 2009."""

from ugvae.data.image_files import NamedObjectsDataModule


class Faces3DDataModule(NamedObjectsDataModule):
    """Rendered faces (Paysan et al. 2009), any folder of images. Columns: ``scan``, ``view`` within it, and more below.

    The scan is read from the names: the first five digits of the Basel names ``00001_20061015_00418_neutral_face05…``;
    ``idIII_azAA_elEE_liLL_exX`` gives ``azimuth``, ``elevation``, ``light`` and ``expression`` too (numbers on a
    grid); of other names the folder they are in, or what comes before the first ``_``, ``-`` or ``.``.

    Splits: whole scans, about 80, 10 and 10 %, cut with a fixed seed (of 10 scans 8, 1 and 1).

    Args:
        root: folder of the images, at any depth.
        pattern: a regular expression for other names, searched in the path below ``root``; its named groups become
            columns, and ``scan`` must be one of them.
        **kwargs: the settings of ``ImageFilesDataModule``.
    """

    title = "3D FACES"
    object_column = "scan"
    patterns = (
        r"(?P<scan>\d{5})_\d{8}_\d{5}_[^/]*$",
        r"id(?P<scan>\d+)_az(?P<azimuth>\d+)_el(?P<elevation>\d+)_li(?P<light>\d+)_ex(?P<expression>\d+)\.\w+$",
    )
    tree = """
  {root}/
    00001_20061015_00418_neutral_face05….png, … : 270 renderings of 10 scans, in folders or not"""
    source = """https://faces.dmi.unibas.ch/bfm, Basel Face Model 2009, after registration;
  the renderings are in PublicMM1/05_renderings"""
    licence = "non-commercial research, by an agreement that each user signs"

    def __init__(self, root: str = "data/faces3d", pattern: str | None = None, **kwargs) -> None:
        super().__init__(root, pattern=pattern, **kwargs)
