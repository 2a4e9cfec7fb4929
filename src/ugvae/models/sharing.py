"""A model as a folder that others can load: weights as safetensors, settings as JSON, a card; nothing of it is run."""

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor

from ugvae.errors import ConfigError, OutputError
from ugvae.models.card import model_card, public_path
from ugvae.models.hub import download, upload
from ugvae.models.optim import ScheduledModule

WEIGHTS, CONFIG, CARD = "model.safetensors", "config.json", "README.md"
MADE_BY = "save_pretrained of a model and `ugvae export RUN` write such a folder"
Shared = TypeVar("Shared", bound="SharedModule")


class SharedModule(ScheduledModule):
    """A model that is saved into a folder, loaded from one, and shared on the Hugging Face hub."""

    def save_pretrained(self, folder: str | Path, card: str | None = None) -> Path:
        """Writes the weights, the settings of the constructor, and a model card.

        The weights keep their type, and the statistics of BatchNorm are among them: what is loaded again is the same
        model bit for bit.

        Args:
            folder: made if it is not there. Its ``model.safetensors``, ``config.json`` and ``README.md`` are replaced.
            card: text of the model card, in Markdown; by default what the model itself knows.

        Returns:
            the folder.

        Raises:
            ConfigError: weights of several types, or a setting that JSON does not have.
            OutputError: a file cannot be written; those that were there before are as they were.
        """
        weights = {
            name: value.detach().cpu().clone(memory_format=torch.contiguous_format)
            for name, value in self.state_dict().items()
        }
        _type_of(weights, f"model: the weights of this {type(self).__name__}")
        config = {"model_class": public_path(type(self)), "settings": dict(self.hparams)}
        try:
            settings = json.dumps(config, indent=2, allow_nan=False) + "\n"
        except (TypeError, ValueError) as error:
            raise ConfigError(
                f"model: a setting of {type(self).__name__} is no plain number, text or list ({error})"
            ) from error
        _write(
            Path(folder),
            {
                WEIGHTS: save(weights, {"format": "pt"}),
                CONFIG: settings.encode(),
                CARD: (card or model_card(self)).encode(),
            },
        )
        return Path(folder)

    @classmethod
    def from_pretrained(cls: type[Shared], source: str | Path, revision: str | None = None) -> Shared:
        """The model of a folder that ``save_pretrained`` has written, in eval mode, on the CPU.

        Called on ``BaseVAE``, it finds the class by the name in ``config.json`` among those of ``ugvae.models``. A
        class of one's own is the one that it is called on: the files never make anything be imported or run.

        Args:
            source: the folder, or the id ``owner/name`` of a model on the Hugging Face hub.
            revision: branch, tag or commit on the hub.

        Raises:
            ConfigError: no such folder or id; a missing or damaged file; another class; or settings and weights that
                do not make the model.
        """
        folder = Path(source).expanduser()
        if not folder.is_dir():
            folder = download(str(source), revision, [CONFIG, WEIGHTS])
        name, settings = _read_config(folder)
        model_class = _class_for(cls, name, folder)
        weights = _read_weights(folder / WEIGHTS)
        dtype = _type_of(weights, f"source: the weights in {folder / WEIGHTS}")
        try:
            model = model_class(**settings).to(dtype)
            model.load_state_dict(weights)
        except (RuntimeError, ValueError, TypeError, LookupError, AttributeError) as error:
            reason = " ".join(str(error).split())[:300]
            raise ConfigError(
                f"source: the settings in {folder / CONFIG} and the weights in {WEIGHTS} make no "
                f"{model_class.__name__} ({reason}). Both files must be of one and the same save_pretrained"
            ) from error
        return model.eval()

    def push_to_hub(self, repository: str, private: bool = False, card: str | None = None) -> str:
        """Puts the model on the Hugging Face hub: the files of ``save_pretrained``. Needs the extra ``hub``.

        Args:
            repository: its id there, ``owner/name``; made if it is not there.
            private: whether a new one is seen by its owner alone.
            card: as for ``save_pretrained``.

        Returns:
            the address.

        Raises:
            ConfigError: ``huggingface_hub`` is not installed, or the hub refuses.
        """
        with TemporaryDirectory() as folder:
            return upload(self.save_pretrained(folder, card), repository, private, [WEIGHTS, CONFIG, CARD])


def _type_of(weights: Mapping[str, Tensor], what: str) -> torch.dtype:
    """The one floating type of the weights; ``what`` they are, for the message."""
    types = {value.dtype for value in weights.values() if value.is_floating_point()}
    if len(types) != 1:
        names = " and ".join(sorted(str(kind).removeprefix("torch.") for kind in types)) or "no floating type"
        raise ConfigError(f"{what} are of {names}; model.to(torch.float32) before save_pretrained makes them one type")
    return types.pop()


def _write(folder: Path, files: Mapping[str, bytes]) -> None:
    """Writes all files beside their places, then renames them there."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix=".", dir=folder) as temporary:
            for name, content in files.items():
                Path(temporary, name).write_bytes(content)
            for name in files:
                os.replace(Path(temporary, name), folder / name)
    except OSError as error:
        reason = error.strerror or error
        raise OutputError(error.errno, f"folder: {folder}: cannot be written ({reason})") from error


def _read_config(folder: Path) -> tuple[str, dict[str, Any]]:
    """The name of the class and the settings of its constructor."""
    path = folder / CONFIG
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        name, settings = content["model_class"], content["settings"]
    except FileNotFoundError as error:
        raise ConfigError(f"source: {folder} has no {CONFIG}; {MADE_BY}") from error
    except (ValueError, TypeError, LookupError, OSError) as error:
        raise ConfigError(f"source: {path} does not hold model_class and settings as JSON ({error})") from error
    if not isinstance(name, str) or not isinstance(settings, dict):
        raise ConfigError(f"source: {path}: expected model_class, a text, and settings, an object")
    return name, settings


def _read_weights(path: Path) -> dict[str, Tensor]:
    """The tensors of a safetensors file; no other kind of file is read."""
    if not path.is_file():
        raise ConfigError(f"source: {path.parent} has no {path.name}; {MADE_BY}. Files of pickles are never loaded")
    try:
        return load_file(path)
    except (SafetensorError, OSError, ValueError) as error:
        raise ConfigError(
            f"source: {path} is not a whole safetensors file ({error}); a pickle is never loaded. {MADE_BY}"
        ) from error


def _class_for(called_on: type[SharedModule], name: str, folder: Path) -> type[SharedModule]:
    """The class that is called on, or the one below it that has the name."""
    known = {public_path(below): below for below in _and_below(called_on)}
    if name in known:
        return known[name]
    of_ours = [path.startswith("ugvae.") for path in (name, public_path(called_on))]
    if not any(of_ours) and called_on.__name__ == name.rpartition(".")[2]:
        return called_on  # its module has another name here
    raise ConfigError(
        f"source: {folder} holds the class {name}, and {called_on.__name__}.from_pretrained knows {', '.join(known)}. "
        "BaseVAE.from_pretrained finds every class of ugvae.models; for one of your own, call its from_pretrained"
    )


def _and_below(model_class: type[SharedModule]) -> Iterator[type[SharedModule]]:
    """A class and all classes below it that are loaded."""
    for below in model_class.__subclasses__():
        yield from _and_below(below)
    yield model_class
