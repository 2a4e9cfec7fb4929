"""ONNX: what onnxruntime computes from the files is what the model computes, for groups of any number and size."""

import sys
from pathlib import Path

import onnxruntime
import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from tests.helpers.small_models import MODELS, make, make_images, with_statistics
from ugvae.errors import ConfigError
from ugvae.models import UGVAE, VAE, BaseVAE, NeuralStatistician
from ugvae.runs.onnx_export import export_onnx

MLP, CONV = {"shape": (2, 5, 7)}, {"shape": (3, 8, 8), "backbone": "conv"}
CASES = [
    *((model, backbone) for model in MODELS for backbone in (MLP, CONV)),
    (UGVAE, {**MLP, "local_posterior": "given_beta", "prior_expert": True}),
]
SLOW = [pytest.param(*case, marks=pytest.mark.slow) for case in CASES if case != (UGVAE, CONV)]


def outputs(file: Path, **inputs: Tensor) -> dict[str, Tensor]:
    """What a file gives for these inputs, by name."""
    session = onnxruntime.InferenceSession(file)
    values = session.run(None, {name: value.detach().numpy() for name, value in inputs.items()})
    return {output.name: torch.tensor(value) for output, value in zip(session.get_outputs(), values, strict=True)}


@pytest.mark.parametrize(("model_class", "settings"), [(UGVAE, CONV), *SLOW])
def test_onnxruntime_gives_what_torch_gives(model_class: type[BaseVAE], settings: dict, tmp_path: Path) -> None:
    model = with_statistics(make(model_class, double=False, **settings))
    layers = [type(layer) for layer in model.modules()]
    files = export_onnx(model, tmp_path / "new")
    assert files == ["encoder.onnx", "decoder.onnx", *(["prior.onnx"] if model.condition_dim else [])]
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == sorted(files)  # the weights are in them
    assert [type(layer) for layer in model.modules()] == layers
    for groups, size in ((1, 1), (4, 6)):
        images = make_images(model, groups, size)
        posterior, h = model.infer(images), model.encode(images)
        expected = {"z_mean": posterior.z.mean, "z_log_var": posterior.z.log_var}
        latents = {"z": posterior.z.mean}
        if model.num_components:
            expected["d"] = posterior.d
        if model.beta_dim:
            latents["beta"] = posterior.beta.mean
            gaussians = {"beta": posterior.beta}
            if model_class is not NeuralStatistician:  # it infers beta from the mean of h
                gaussians["beta_factor"] = model.beta_factors(h, posterior.z.mean)
            for name, gaussian in gaussians.items():
                expected |= {f"{name}_mean": gaussian.mean, f"{name}_log_var": gaussian.log_var}
        tolerance = {"rtol": 1e-4, "atol": 1e-5}
        assert_close(outputs(tmp_path / "new/encoder.onnx", images=images), expected, **tolerance)
        decoded = {"images": model.decode(**latents)}
        assert_close(outputs(tmp_path / "new/decoder.onnx", **latents), decoded, **tolerance)
        if model.condition_dim:
            condition = torch.randn(groups, model.condition_dim)
            given = {"beta" if model.beta_dim else "condition": condition}
            components = model.prior(condition)
            prior = {"mean": components.mean, "log_var": components.log_var}
            assert_close(outputs(tmp_path / "new/prior.onnx", **given), prior, **tolerance)


def test_a_missing_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    with pytest.raises(ConfigError, match=r"^onnx: onnxscript not installed; pip install 'ugvae\[onnx\]'"):
        export_onnx(make(VAE, double=False), tmp_path)
    assert not list(tmp_path.iterdir())
