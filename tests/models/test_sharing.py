"""Models in folders: what is saved comes back bit for bit, bad folders are refused, and nothing in them runs."""

import json
import pickle
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from tests.helpers.fake_hub import use_fake_hub
from tests.helpers.pickles import Trap
from tests.helpers.small_models import every_model, make, make_images, with_statistics
from ugvae.errors import ConfigError, OutputError
from ugvae.models import MLVAE, UGVAE, VAE, BaseVAE, BetaVAE

FILES = ["README.md", "config.json", "model.safetensors"]
CONV = {"shape": (3, 8, 8), "backbone": "conv", "x_std": 0.3, "learning_rate": 1e-3}


class Painter(UGVAE):
    """A user's own model, with a layer and a setting more."""

    def __init__(self, image_shape: tuple[int, int, int], colours: int = 2, **kwargs) -> None:
        super().__init__(image_shape, **kwargs)
        self.keep_settings(colours=colours)
        self.palette = nn.Linear(colours, 3)


@every_model
@pytest.mark.parametrize("double", [True, False])
def test_every_model_comes_back_bit_for_bit(model_class: type[BaseVAE], double: bool, tmp_path: Path) -> None:
    model = with_statistics(make(model_class, double=double, **CONV))
    state = torch.get_rng_state()
    assert model.save_pretrained(tmp_path / "new" / "folder") == tmp_path / "new" / "folder"
    assert torch.equal(torch.get_rng_state(), state)
    assert sorted(path.name for path in (tmp_path / "new" / "folder").iterdir()) == FILES
    for loader in (model_class, BaseVAE):
        again = loader.from_pretrained(tmp_path / "new" / "folder")
        assert type(again) is model_class
        assert not again.training
        assert again.dtype == model.dtype
        assert again.hparams == model.hparams
        weights = model.state_dict()
        assert any("running_var" in name for name in weights)
        assert again.state_dict().keys() == weights.keys()
        for name, value in again.state_dict().items():
            assert value.dtype == weights[name].dtype
            assert value.stride() == weights[name].stride(), name  # conv stays channels-last
            assert torch.equal(value, weights[name]), name
    images = make_images(model)
    for one, other in zip(model.infer(images), again.infer(images), strict=True):
        assert (one is None and other is None) or all(map(torch.equal, one, other))


def test_saving_what_was_loaded_gives_the_same_files(tmp_path: Path) -> None:
    with_statistics(make(UGVAE, **CONV)).save_pretrained(tmp_path / "one")
    UGVAE.from_pretrained(tmp_path / "one").save_pretrained(str(tmp_path / "two"))
    for name in FILES:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_a_class_of_ones_own(tmp_path: Path) -> None:
    model = Painter((1, 8, 8), colours=5, z_dim=3)
    model.save_pretrained(tmp_path)
    again = Painter.from_pretrained(tmp_path)
    assert torch.equal(again.palette.weight, model.palette.weight)
    assert "from tests.models.test_sharing import Painter" in (tmp_path / "README.md").read_text()

    config = tmp_path / "config.json"  # saved where the module had another name, as in a notebook
    config.write_text(config.read_text().replace("tests.models.test_sharing", "nowhere_to_be_found"))
    assert type(Painter.from_pretrained(tmp_path)) is Painter
    for loader in (BaseVAE, UGVAE):
        with pytest.raises(ConfigError, match=r"^source: .*nowhere_to_be_found\.Painter, and .* of your own"):
            loader.from_pretrained(tmp_path)


def test_a_class_finds_those_below_it_and_no_other(tmp_path: Path) -> None:
    make(BetaVAE, double=False, beta=7.0).save_pretrained(tmp_path)
    assert VAE.from_pretrained(tmp_path).beta == 7.0
    with pytest.raises(
        ConfigError, match=r"^source: .*ugvae\.models\.BetaVAE, and UGVAE.*BaseVAE\.from_pretrained finds"
    ):
        UGVAE.from_pretrained(tmp_path)


def test_the_card_says_what_the_model_knows(tmp_path: Path) -> None:
    model = make(UGVAE, (2, 5, 7), double=False)
    card = (model.save_pretrained(tmp_path) / "README.md").read_text()
    assert card.startswith("---\nlibrary_name: ugvae\n")
    for words in (
        "# UGVAE\n",
        "(G, B, 2, 5, 7)",
        "posterior.d  # (G, B, 5)",
        "posterior.beta.mean  # (G, 4)",
        "Bound (eq. 11)",
        f"{sum(weight.numel() for weight in model.parameters()):,} weights, float32",
        "| `num_components` | 5 |",
        "Nothing is known here of its training",
    ):
        assert words in card
    code = card.split("```python\n")[1].split("```")[0].replace("FOLDER OR HUB ID", str(tmp_path))
    exec(code, {"images": torch.zeros(2, 3, 2, 5, 7)})
    assert (model.save_pretrained(tmp_path, card="# Mine\n") / "README.md").read_text() == "# Mine\n"


def a_pickle(folder: Path) -> None:
    (folder / "model.safetensors").write_bytes(pickle.dumps(Trap(Path.touch, folder / "ran")))


def a_torch_file(folder: Path) -> None:
    torch.save({"trap": Trap(Path.touch, folder / "ran")}, folder / "model.safetensors")


def a_pickle_beside(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    torch.save({"trap": Trap(Path.touch, folder / "ran")}, folder / "pytorch_model.bin")


def cut(folder: Path) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-1])


def empty(folder: Path) -> None:
    (folder / "model.safetensors").write_bytes(b"")


def no_config(folder: Path) -> None:
    (folder / "config.json").unlink()


def config(text: str) -> Callable[[Path], None]:
    return lambda folder: (folder / "config.json").write_text(text) and None


def settings(**changed: object) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        content = json.loads((folder / "config.json").read_text())
        content["settings"] |= changed
        (folder / "config.json").write_text(json.dumps(content))

    return change


def weights(change: Callable[[dict], object]) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        tensors = load_file(folder / "model.safetensors")
        change(tensors)
        save_file(tensors, folder / "model.safetensors")

    return write


BAD = {
    "a pickle": (a_pickle, r"model\.safetensors is not a whole safetensors file .* a pickle is never loaded"),
    "a file of torch": (a_torch_file, "is not a whole safetensors file"),
    "a pickle beside": (a_pickle_beside, r"has no model\.safetensors; .* Files of pickles are never loaded"),
    "cut": (cut, "is not a whole safetensors file"),
    "empty": (empty, "is not a whole safetensors file"),
    "no config": (no_config, r"has no config\.json; save_pretrained of a model and .*export RUN"),
    "no JSON": (config("{"), r"config\.json does not hold model_class and settings as JSON"),
    "a list": (config("[]"), "does not hold model_class and settings"),
    "another's config": (config('{"architectures": ["Bert"]}'), "does not hold model_class and settings"),
    "a number for a class": (config('{"model_class": 3, "settings": {}}'), "expected model_class, a text"),
    "no such class": (
        config('{"model_class": "ugvae.models.GAN", "settings": {}}'),
        r"ugvae\.models\.GAN, and BaseVAE",
    ),
    "a function": (config('{"model_class": "os.system", "settings": {}}'), r"holds the class os\.system, and"),
    "wrong shapes": (settings(z_dim=7), "make no UGVAE .* size mismatch .* one and the same save_pretrained"),
    "an unknown setting": (settings(depth=3), "make no UGVAE .*depth"),
    "a bad setting": (settings(backbone="vit"), "make no UGVAE .*expected mlp, conv or residual"),
    "a weight missing": (weights(lambda t: t.pop("z_head.weight")), r"Missing key.*z_head\.weight"),
    "a weight too many": (weights(lambda t: t.update(more=torch.zeros(1))), "Unexpected key.*more"),
    "whole numbers alone": (weights(lambda t: [t.update({n: v.int()}) for n, v in t.items()]), "no floating type"),
    "two types": (weights(lambda t: t.update({"z_head.bias": t["z_head.bias"].half()})), "float16 and float32"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_folder_is_refused_and_nothing_runs(name: str, tmp_path: Path) -> None:
    make(UGVAE, double=False).save_pretrained(tmp_path)
    spoil, message = BAD[name]
    spoil(tmp_path)
    with pytest.raises(ConfigError, match=f"(?s)^source: .*{message}"):
        BaseVAE.from_pretrained(tmp_path)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("source", ["nowhere", "a/b/c", "../models", "/nowhere/model", "https://x.org/a/b", ""])
def test_what_is_no_folder_and_no_id(source: str) -> None:
    with pytest.raises(ConfigError, match=r"^source: .*(no such folder|has no config)"):
        BaseVAE.from_pretrained(source)


def test_what_cannot_be_saved(tmp_path: Path) -> None:
    model = make(UGVAE, double=False)
    model.z_head.double()
    with pytest.raises(ConfigError, match=r"^model: .* are of float32 and float64; model\.to"):
        model.save_pretrained(tmp_path / "mixed")
    own = make(UGVAE, double=False)
    own.keep_settings(palette={1, 2})
    with pytest.raises(ConfigError, match=r"^model: a setting of UGVAE is no plain number, text or list"):
        own.save_pretrained(tmp_path / "set")
    assert not list(tmp_path.iterdir())
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match=r"^folder: .*file: cannot be written"):
        make(VAE, double=False).save_pretrained(tmp_path / "file")


def test_a_folder_that_cannot_be_replaced_stays_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = make(VAE, double=False)
    first.save_pretrained(tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}

    def full(path: Path, content: bytes) -> None:
        if path.name == "README.md":
            raise OSError(28, "No space left on device")
        path.open("wb").write(content)

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OutputError, match="No space left"):
        make(VAE, double=False).save_pretrained(tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A hub without a network; gives its folder."""
    monkeypatch.chdir(tmp_path)
    return use_fake_hub(tmp_path / "hub", monkeypatch)


def test_to_the_hub_and_back(hub: Path) -> None:
    model = with_statistics(make(MLVAE, double=False, **CONV))
    assert model.push_to_hub("me/faces", private=True, card="# Faces") == "https://hub/me/faces"
    place = hub / "me" / "faces"
    assert sorted(path.name for path in place.iterdir()) == [*FILES, "private"]
    assert (place / "README.md").read_text() == "# Faces"
    torch.save({"trap": Trap(Path.touch, place / "ran")}, place / "pytorch_model.bin")
    again = BaseVAE.from_pretrained("me/faces", revision="main")
    assert sorted(path.name for path in (hub / "cache").iterdir()) == FILES[1:]
    assert all(torch.equal(value, model.state_dict()[name]) for name, value in again.state_dict().items())


def test_what_the_hub_refuses(hub: Path) -> None:
    with pytest.raises(ConfigError, match=r"^source: me/none .* \(404 me/none at None\); private models need"):
        BaseVAE.from_pretrained("me/none")
    with pytest.raises(ConfigError, match=r"^repository: .* did not take taken/x \(403 Forbidden\); `hf auth login`"):
        make(VAE, double=False).push_to_hub("taken/x")


def test_without_the_client_of_the_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(ConfigError, match=r"^source: no such folder: me/none: .*pip install 'ugvae\[hub\]'"):
        BaseVAE.from_pretrained("me/none")
