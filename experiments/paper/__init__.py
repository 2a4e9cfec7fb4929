"""Figures and tables of the paper, each from a trained run by one command: ``ugvae paper --help``."""
