"""The folder of a run: its files, checkpoints, logs and how to load it."""
