"""Bad input, faults and resuming."""
