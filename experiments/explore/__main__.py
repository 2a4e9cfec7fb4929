"""``ugvae explore RUN``: a page in the browser that shows what z, d and beta do."""

import sys
from collections.abc import Sequence

from ugvae.cli.parser import split_settings
from ugvae.errors import ConfigError, DataError
from ugvae.experiments.paper.arguments import Parser
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
        parser = Parser(prog="ugvae explore", description=explore.__doc__.partition("\n\n    Args:")[0])
        parser.add_function_arguments(explore, as_group=False, skip={"settings"})
        explore(**parser.parse_args(others).as_dict(), settings=settings)
    except (ConfigError, DataError) as error:
        sys.stderr.write(f"error: {error}\n")
        sys.exit(2)


if __name__ == "__main__":
    main()
