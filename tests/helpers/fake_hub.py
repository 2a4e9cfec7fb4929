"""The client of a Hugging Face hub that is a folder of this machine."""

import inspect
import shutil
from pathlib import Path

import huggingface_hub
import pytest


class FakeHub:
    """What the library calls of ``huggingface_hub.HfApi``; the owner ``taken`` is somebody else."""

    root: Path

    def create_repo(self, repo_id: str, private: bool, exist_ok: bool) -> str:
        assert exist_ok
        if repo_id.startswith("taken/"):
            raise PermissionError("403 Forbidden\nwith much more")
        (self.root / repo_id / ("private" if private else "public")).mkdir(parents=True)
        return f"https://hub/{repo_id}"

    def upload_folder(self, repo_id: str, folder_path: Path, allow_patterns: list[str], commit_message: str) -> None:
        for name in allow_patterns:
            shutil.copy(folder_path / name, self.root / repo_id)

    def snapshot_download(self, repo_id: str, revision: str | None, allow_patterns: list[str]) -> str:
        if not (self.root / repo_id).is_dir():
            raise FileNotFoundError(f"404 {repo_id} at {revision}")
        folder = self.root / "cache"
        folder.mkdir()
        for name in allow_patterns:
            shutil.copy(self.root / repo_id / name, folder)
        return str(folder)


def use_fake_hub(root: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Puts the fake in the place of the client, which must know its arguments; gives the folder that is the hub."""
    for name in ("create_repo", "upload_folder", "snapshot_download"):
        ours, theirs = (inspect.signature(getattr(kind, name)).parameters for kind in (FakeHub, huggingface_hub.HfApi))
        assert ours.keys() <= theirs.keys()
    monkeypatch.setattr(FakeHub, "root", root, raising=False)
    monkeypatch.setattr(huggingface_hub, "HfApi", FakeHub)
    return root
