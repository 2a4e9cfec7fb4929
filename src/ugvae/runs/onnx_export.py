"""A model as ONNX: graphs that run without torch and without this library.

Axes: G groups, B images per group, K components, C channels, H and W pixels; G and B are free in every graph.
"""

import copy
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import torch
from torch import Tensor, nn

from ugvae.errors import ConfigError
from ugvae.models import BaseVAE
from ugvae.models.latent import LatentModel
from ugvae.networks.convolutions import SubPixelUpConv2d
from ugvae.runs.files import atomic_path


class Part(nn.Module):
    """A part of a model that gives its outputs by name."""

    def __init__(self, model: BaseVAE) -> None:
        super().__init__()
        self.model = model


class Encoder(Part):
    """Float images ``(G, B, C, H, W)`` in [0, 1] to the posteriors of ``infer``, and each image's factor."""

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        h = self.model.encode(images)
        z, d, beta = self.model.posterior(h)
        outputs = {"z_mean": z.mean, "z_log_var": z.log_var}
        if d is not None:
            outputs["d"] = d
        if beta is not None:
            outputs |= {"beta_mean": beta.mean, "beta_log_var": beta.log_var}
            if type(self.model).beta_factors is not LatentModel.beta_factors:
                factors = self.model.beta_factors(h, z.mean)
                outputs |= {"beta_factor_mean": factors.mean, "beta_factor_log_var": factors.log_var}
        return outputs


class Decoder(Part):
    """z ``(G, B, z_dim)``, and beta ``(G, beta_dim)`` where there is one, to image means ``(G, B, C, H, W)``."""

    def forward(self, z: Tensor, beta: Tensor | None = None) -> dict[str, Tensor]:
        return {"images": self.model.decode(z, beta)}


class Prior(Part):
    """What drives the mixture, ``(G, condition_dim)``, to its components: means and log-variances ``(G, K, z_dim)``."""

    def forward(self, condition: Tensor) -> dict[str, Tensor]:
        components = self.model.prior(condition)
        return {"mean": components.mean, "log_var": components.log_var}


@dataclass(frozen=True)
class Graph:
    """What becomes one file.

    Attributes:
        module: what is computed.
        inputs: an example of each by name.
        free: names of the leading axes of each that are free.
    """

    module: Part
    inputs: Mapping[str, Tensor]
    free: Mapping[str, str]


def export_onnx(model: BaseVAE, folder: Path) -> list[str]:
    """Writes ``encoder.onnx``, ``decoder.onnx``, and ``prior.onnx`` where beta or w drives the prior.

    Args:
        model: the model; it stays as it is.
        folder: made if it is not there.

    Returns:
        the names of the files.

    Raises:
        ConfigError: a package of the extra ``onnx`` is missing.
        OutputError: a file cannot be written.
    """
    if missing := [name for name in ("onnx", "onnxscript") if find_spec(name) is None]:
        raise ConfigError(f"onnx: {' and '.join(missing)} not installed; pip install 'ugvae[onnx]'")
    files = []
    for name, graph in _graphs(_of_plain_layers(model)).items():
        files.append(f"{name}.onnx")
        content = _translated(graph)
        with atomic_path(folder / files[-1]) as temporary:
            temporary.write_bytes(content)
    return files


def _graphs(model: BaseVAE) -> dict[str, Graph]:
    """The graphs that a model has, by name."""
    groups, size = 2, 3
    images = torch.zeros(groups, size, *model.image_shape, dtype=model.dtype)
    latents, free = {"z": torch.zeros(groups, size, model.z_dim, dtype=model.dtype)}, {"z": "GB"}
    if model.beta_dim:
        latents["beta"], free["beta"] = torch.zeros(groups, model.beta_dim, dtype=model.dtype), "G"
    graphs = {
        "encoder": Graph(Encoder(model), {"images": images}, {"images": "GB"}),
        "decoder": Graph(Decoder(model), latents, free),
    }
    if model.condition_dim:
        condition = torch.zeros(groups, model.condition_dim, dtype=model.dtype)
        name = "beta" if model.beta_dim else "condition"
        graphs["prior"] = Graph(Prior(model), {name: condition}, {name: "G"})
    return graphs


def _of_plain_layers(model: BaseVAE) -> BaseVAE:
    """A copy on the CPU in eval mode, without the layers whose operators ONNX does not know."""
    model = copy.deepcopy(model).cpu().eval()
    for parent in list(model.modules()):
        for name, layer in list(parent.named_children()):
            if isinstance(layer, SubPixelUpConv2d):
                plain = nn.ConvTranspose2d(layer.in_channels, layer.out_channels, 4, 2, 1, dtype=layer.weight.dtype)
                plain.load_state_dict(layer.state_dict())
                setattr(parent, name, plain)
    return model


@torch.no_grad()
def _translated(graph: Graph) -> bytes:
    """The file of a graph."""
    axes = {name: torch.export.Dim(name, min=1) for name in "GB"}
    shapes = tuple({axis: axes[name] for axis, name in enumerate(graph.free[key])} for key in graph.inputs)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that G is one axis in two inputs, which is meant, and notes on torch itself
        program = torch.onnx.export(
            graph.module.eval(),
            tuple(graph.inputs.values()),
            input_names=list(graph.inputs),
            output_names=list(graph.module(*graph.inputs.values())),
            dynamic_shapes=shapes,
            dynamo=True,
            verbose=False,
        )
    return program.model_proto.SerializeToString()
