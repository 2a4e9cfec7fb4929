"""The Unsupervised Global VAE (Peis, Olmos, Artés-Rodríguez 2020) and the models it is compared with."""

import os
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec

try:
    __version__ = version("ugvae")
except PackageNotFoundError:  # a folder of sources on the path
    __version__ = "of sources that are not installed"

_backend = os.environ.get("MPLBACKEND", "").removeprefix("module://").partition(".")[0]
if os.environ.get("MPLBACKEND", "").startswith("module://") and find_spec(_backend) is None:
    del os.environ["MPLBACKEND"]  # of a notebook that has started this process: Matplotlib refuses to be imported
