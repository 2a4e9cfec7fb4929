"""An explorer in the browser, on this machine alone: what z, d and beta do, with one's own hands and pictures."""

import os

os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"  # read when gradio is imported: it asks its makers for nothing
