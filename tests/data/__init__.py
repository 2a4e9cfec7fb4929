"""Writers of tiny data sets in the real on-disk formats."""
