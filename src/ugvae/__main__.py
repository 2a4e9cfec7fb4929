"""``python -m ugvae``."""

from ugvae.cli import main

if __name__ == "__main__":
    main()
