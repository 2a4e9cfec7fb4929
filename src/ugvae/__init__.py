"""The Unsupervised Global VAE (Peis, Olmos, Artés-Rodríguez 2020) and the models it is compared with."""

import os
from importlib.util import find_spec

_backend = os.environ.get("MPLBACKEND", "").removeprefix("module://").partition(".")[0]
if os.environ.get("MPLBACKEND", "").startswith("module://") and find_spec(_backend) is None:
    del os.environ["MPLBACKEND"]  # of a notebook that has started this process: Matplotlib refuses to be imported
