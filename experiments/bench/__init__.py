"""``make bench``: what a training step costs, beside what the machine can do. See docs/performance.md."""
