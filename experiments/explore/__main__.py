"""``ugvae explore RUN``: a page in the browser that shows what z, d and beta do."""

import sys
from collections.abc import Sequence

from jsonargparse import ArgumentParser

from ugvae.cli.parser import split_settings
from ugvae.errors import ConfigError, DataError
from ugvae.machine import prepare_process


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point; an error that the user can mend is one message and exit status 2."""
    settings, others = split_settings(sys.argv[1:] if arguments is None else arguments)
    prepare_process()
    try:
        try:
            from ugvae.experiments.explore.app import explore
        except ModuleNotFoundError as error:
            raise ConfigError(f"explore: {error.name} is missing; run: pip install 'ugvae[explore]'") from error
        parser = ArgumentParser(prog="ugvae explore", description=explore.__doc__.splitlines()[0], allow_abbrev=False)
        parser.add_argument("--no-browser", action="store_false", dest="browser", help="do not open the browser")
        parser.add_function_arguments(explore, as_group=False, as_positional=True, skip={"settings", "browser"})
        explore(**parser.parse_args(others).as_dict(), settings=settings)
    except (ConfigError, DataError) as error:
        sys.stderr.write(f"error: {error}\n")
        sys.exit(2)


if __name__ == "__main__":
    main()
