"""Runs commands as strangers give them, in empty folders, and prints a table of what came of each.

``python -m tests.robustness.strangers [FOLDER] [WORD ...]``: all cases, or those whose name has one of the words. A
case passes if it ends with the expected status, without a traceback, with the expected words in what it prints, with
the files that it must leave and without those that it must not. pytest does not collect this file: it takes twenty
minutes.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from tests.helpers import PROJECT
from tests.helpers.stranger import Case
from tests.helpers.strangers_further import FURTHER
from tests.helpers.strangers_known import CASES

LIMIT = 180  # seconds of a command, after which it counts as hanging


def outcome(case: Case, folder: Path) -> str:
    """``passes``, or what is wrong."""
    folder.mkdir(parents=True)
    os.chdir(folder)
    case.prepare()
    variables = {"WANDB_MODE": "disabled", "OMP_NUM_THREADS": "1", "PYTHONPATH": str(PROJECT), **case.environment}
    printed, status = "", 0
    for number, command in enumerate(case.commands):
        program, _, rest = command.partition(" ")
        words = {"python": f"{sys.executable} {rest}", "make": command}.get(
            program, f"{sys.executable} -m ugvae {command}"
        )
        arguments = ["bash", "-c", words]
        if "PATH" in case.environment:
            arguments = words.split()
        environment = {**os.environ, **variables}
        try:
            done = subprocess.run(
                arguments, capture_output=True, text=True, env=environment, timeout=LIMIT, check=False
            )
        except subprocess.TimeoutExpired:
            return f"hangs: {command}"
        printed, status = done.stdout + done.stderr, done.returncode
        Path(f"output_{number}.txt").write_text(printed)
        if "Traceback (most recent call last)" in printed:
            return f"traceback: {printed.strip().splitlines()[-1]}"
        if status and command != case.commands[-1]:
            return f"status {status} of {command}: {printed.strip().splitlines()[-1]}"
    return "; ".join(complaints(case, printed, status)) or "passes"


def complaints(case: Case, printed: str, status: int) -> Iterator[str]:
    """What is not as expected."""
    if status != case.status:
        yield f"status {status}, not {case.status}: {printed.strip().splitlines()[-1:]}"
    yield from (f"does not print {words!r}" for words in case.words if words not in printed)
    yield from (f"prints {words!r}" for words in case.never if words in printed)
    yield from (f"leaves no {name}" for name in case.leaves if not Path(name).exists())
    yield from (f"leaves {name}" for name in case.not_left if Path(name).exists())


def main() -> None:
    """Runs the cases and prints the table; status 1 if one does not pass."""
    root = Path(sys.argv[1] if len(sys.argv) > 1 else tempfile.mkdtemp()).absolute()
    chosen = [
        case for case in [*CASES, *FURTHER] if not sys.argv[2:] or any(word in case.name for word in sys.argv[2:])
    ]
    failed = 0
    print("| case | outcome | seconds |\n|---|---|---|")
    for number, case in enumerate(chosen):
        started = time.monotonic()
        result = outcome(case, root / f"{number:02}")
        failed += result != "passes"
        print(f"| {case.name} | {result} | {time.monotonic() - started:.0f} |", flush=True)
    print(f"\n{len(chosen) - failed} of {len(chosen)} pass; what they printed is under {root}")
    sys.exit(bool(failed))


if __name__ == "__main__":
    main()
