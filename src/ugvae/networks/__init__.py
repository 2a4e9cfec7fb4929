"""The networks of the paper's Table 2."""
