"""Commands that must not run: they end with status 2 and a message."""

from collections.abc import Callable

import pytest

from ugvae.experiments.paper import __main__ as paper

Main = Callable[[list[str]], object]


def printed_by(capsys: pytest.CaptureFixture[str], main: Main, *arguments: str) -> str:
    """What a command that ends with status 2 writes to stderr."""
    with pytest.raises(SystemExit) as stop:
        main(list(arguments))
    assert stop.value.code == 2
    return capsys.readouterr().err.strip()


def refused(capsys: pytest.CaptureFixture[str], *arguments: str, main: Main = paper.main) -> str:
    """All that it writes, without ``error: `` at its start."""
    return printed_by(capsys, main, *arguments).removeprefix("error: ")


def refusal(capsys: pytest.CaptureFixture[str], *arguments: str, main: Main) -> str:
    """Its last line, the message; warnings may stand before."""
    message = printed_by(capsys, main, *arguments).splitlines()[-1]
    assert message.startswith("error: ")
    return message.removeprefix("error: ")
