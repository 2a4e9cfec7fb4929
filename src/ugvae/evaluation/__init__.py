"""Functions that take a trained model and data, and answer with arrays or figures. Nothing here knows Lightning."""
