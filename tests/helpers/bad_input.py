"""What the tests of bad input share: one rule, and a count of the inputs that were tried.

The rule: bad input is refused by an error of the project that names the file or the setting, or it is read correctly.
Any other error fails the test.

pytest prints the counts after any session. The examples of hypothesis are the same in every run of the same code;
HYPOTHESIS_PROFILE=thorough tries many times as many.
"""

import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st

from ugvae.errors import ConfigError, DataError

SHARED = {
    "derandomize": True,  # the same examples in every run
    "database": None,  # nothing is written
    "deadline": None,  # machines are busy
    "suppress_health_check": list(HealthCheck),
    "phases": [Phase.explicit, Phase.generate],  # a failing example is small enough: looking for a smaller one is slow
}
settings.register_profile("quick", max_examples=60, **SHARED)
settings.register_profile("thorough", max_examples=2000, **SHARED)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "quick"))

FEW = settings(max_examples=settings().max_examples // 3)  # of examples that take half a second each

REFUSED: Counter[str] = Counter()
READ: Counter[str] = Counter()


def attempt(kind: str, read: Callable[[], Any], *names: object) -> Any:
    """Tries one bad input, and counts it by its kind.

    Gives what was read, for the caller to compare with the truth; None if it was refused, by an error that must contain
    one of ``names``.
    """
    try:
        content = read()
    except (ConfigError, DataError) as error:
        message = str(error)
        assert not names or any(str(name) in message for name in names), f"{message!r} names none of {names}"
        assert message.strip()
        REFUSED[kind] += 1
        return None
    READ[kind] += 1
    return content


@st.composite
def damaged(draw: st.DrawFn, whole: bytes) -> bytes:
    """``whole`` cut short, with bytes changed, put in, taken out or added, up to three times."""
    data = whole
    for _ in range(draw(st.integers(1, 3))):
        place = draw(st.integers(0, max(0, len(data) - 1)))
        extra = draw(st.binary(min_size=1, max_size=4))
        data = {
            "cut": data[:place],
            "changed": data[:place] + extra + data[place + len(extra) :],
            "put in": data[:place] + extra + data[place:],
            "taken out": data[:place] + data[place + len(extra) :],
            "added": data + extra,
        }[draw(st.sampled_from(["cut", "changed", "changed", "put in", "taken out", "added"]))]
    return data


def files_below(folder: Path) -> dict[str, bytes | None]:
    """All that is in a folder, by name: bytes of files, None for the rest; links are not followed."""
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() and not path.is_symlink() else None
        for path in folder.rglob("*")
    }


def counts() -> list[str]:
    """One line for each kind of input, and one for all."""
    kinds = sorted(REFUSED.keys() | READ.keys())
    lines = [f"{kind}: {REFUSED[kind] + READ[kind]} ({REFUSED[kind]} refused, {READ[kind]} read)" for kind in kinds]
    total = REFUSED.total() + READ.total()
    return [*lines, f"all: {total} ({REFUSED.total()} refused, {READ.total()} read)"] if total else []
