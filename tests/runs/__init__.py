"""Tests of ``ugvae.runs``."""
"""Tests of runs and their folders."""
