"""``make bench``: what a training step costs in time and memory (docs/performance.md)."""
