"""The YAML settings of every experiment, and the commands of trained runs; imported as ``ugvae.experiments``."""
