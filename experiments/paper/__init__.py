"""Figures and tables of the paper, each from a trained run by one command: ``python -m experiments.paper --help``."""
