"""Tests of ``ugvae.runs``."""
