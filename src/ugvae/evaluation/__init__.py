"""Measures of a trained model on groups of images: typed results, one file per question; no Lightning."""
