"""Folders of models on the Hugging Face hub, by its own client: the extra ``hub``."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ugvae.errors import ConfigError, first_line

ID = re.compile(r"\w[\w.-]*/\w[\w.-]*")  # owner/name

if TYPE_CHECKING:
    from huggingface_hub import HfApi


def client(setting: str) -> "HfApi":
    """The client of the hub.

    Args:
        setting: that needs it, for the message.

    Raises:
        ConfigError: it is not installed.
    """
    try:
        from huggingface_hub import HfApi
    except ImportError as error:
        raise ConfigError(f"{setting}: the Hugging Face hub needs its client: pip install 'ugvae[hub]'") from error
    return HfApi()


def download(repository: str, revision: str | None, files: Sequence[str]) -> Path:
    """The folder with some files of a model on the hub; no other file of it is fetched.

    Args:
        repository: its id, ``owner/name``.
        revision: branch, tag or commit.
        files: their names.

    Raises:
        ConfigError: not an id, no such model, or the hub does not answer and nothing is in its cache.
    """
    if not ID.fullmatch(repository):
        raise ConfigError(
            f"source: no such folder: {repository}; expected one that save_pretrained has written, or the id "
            "owner/name of a model on the Hugging Face hub"
        )
    hub = client(f"source: no such folder: {repository}")
    try:
        return Path(hub.snapshot_download(repo_id=repository, revision=revision, allow_patterns=list(files)))
    except Exception as error:  # of the hub, and of whatever carries its requests
        raise ConfigError(
            f"source: {repository} is no folder here, and the Hugging Face hub did not give it "
            f"({first_line(error)}); private models need `hf auth login`"
        ) from error


def upload(folder: Path, repository: str, private: bool, files: Sequence[str]) -> str:
    """Puts some files of a folder on the hub, in one commit; gives the address.

    Args:
        folder: the folder.
        repository: the id, ``owner/name``; made if it is not there.
        private: whether a new one is seen by its owner alone.
        files: their names.

    Raises:
        ConfigError: the client is not installed, or the hub refuses.
    """
    hub = client("repository")
    try:
        address = hub.create_repo(repo_id=repository, private=private, exist_ok=True)
        hub.upload_folder(
            repo_id=repository, folder_path=folder, allow_patterns=list(files), commit_message="Model saved by ugvae"
        )
    except Exception as error:  # of the hub, and of whatever carries its requests
        raise ConfigError(
            f"repository: the Hugging Face hub did not take {repository} ({first_line(error)}); "
            "`hf auth login` says who you are, and the id is owner/name"
        ) from error
    return str(address)
