"""UG-VAE restated plainly, to test the library against and to time it against.

Nothing here comes from ``ugvae.distributions`` or is batched cleverly: one group, one image, one component at a time,
with the formulas as the paper prints them (variances and precisions, no logarithms). Slow, and fine only where nothing
is extreme.

- ``reference_elbo`` walks through a given ``UGVAE`` with given noise.
- ``PlainUGVAE`` has modules of its own, as straightforward research code would have; ``copy_weights`` fills them.
- ``fixed_noise`` makes the library draw given noise; ``recorded_noise`` keeps what it draws.

Axes: G groups, B images, C channels, H and W pixels.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from unittest.mock import patch

import torch
from torch import Tensor, nn

from ugvae.models import UGVAE


@contextmanager
def fixed_noise(*draws: Tensor) -> Iterator[None]:
    """Inside, successive calls of ``torch.randn_like`` return ``draws``, which must all be used and fit in shape."""
    remaining = list(draws)

    def next_draw(like: Tensor) -> Tensor:
        draw = remaining.pop(0)
        assert draw.shape == like.shape, f"noise of shape {tuple(draw.shape)} asked for as {tuple(like.shape)}"
        return draw

    with patch("torch.randn_like", next_draw):
        yield
    assert not remaining, f"{len(remaining)} draws were not used"


@contextmanager
def recorded_noise() -> Iterator[list[Tensor]]:
    """Inside, what ``torch.randn_like`` returns is recorded in order."""
    draws: list[Tensor] = []
    original = torch.randn_like

    def draw(like: Tensor) -> Tensor:
        draws.append(original(like))
        return draws[-1]

    with patch("torch.randn_like", draw):
        yield draws


def log_normal(value: Tensor, mean: Tensor, variance: Tensor) -> Tensor:
    """log N(value; mean, diag variance), summed over every axis."""
    return (-0.5 * torch.log(2 * math.pi * variance) - (value - mean) ** 2 / (2 * variance)).sum()


def kl_normal(mean: Tensor, variance: Tensor, other_mean: Tensor, other_variance: Tensor) -> Tensor:
    """KL(N(mean, variance) ‖ N(other_mean, other_variance)), summed over the last axis."""
    terms = torch.log(other_variance / variance) + (variance + (mean - other_mean) ** 2) / other_variance - 1
    return 0.5 * terms.sum(-1)


def linear_gaussian(layer: nn.Linear, features: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and variance: the first half of the outputs, and exp of the second half."""
    output = layer.weight @ features + layer.bias
    half = len(output) // 2
    return output[:half], output[half:].exp()


def component_of(model: UGVAE, k: int, beta: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and variance of p(z | d = k, beta), from the k-th slice of the batched parameters."""
    prior = model.mixture_prior
    width = prior.weight.shape[1]
    rows = slice(k * width, (k + 1) * width)
    hidden = torch.relu(prior.hidden.weight[rows] @ beta + prior.hidden.bias[rows])
    output = hidden @ prior.weight[k] + prior.bias[k, 0]
    half = len(output) // 2
    return output[:half], torch.tanh(output[half:]).exp()


def _reference_group(model: UGVAE, images: Tensor, z_noise: Tensor, beta_noise: Tensor) -> dict[str, Tensor]:
    """The terms of one group: images (B, C, H, W), z_noise (B, z_dim), beta_noise (beta_dim,)."""
    z_means, z_variances, samples, pis = [], [], [], []
    precision = torch.full_like(beta_noise, 1.0 if model.prior_expert else 0.0)
    weighted_mean = torch.zeros_like(beta_noise)
    for image, noise in zip(images, z_noise, strict=True):
        h = model.encoder(image[None])[0]
        mean, variance = linear_gaussian(model.z_head, h)
        z = mean + variance.sqrt() * noise
        scores = model.d_head[2](torch.tanh(model.d_head[0](z))).exp()
        pi = scores / scores.sum()
        factor_mean, factor_variance = linear_gaussian(model.beta_head, torch.cat([h, pi]))
        precision = precision + 1 / factor_variance
        weighted_mean = weighted_mean + factor_mean / factor_variance
        for values, value in zip((z_means, z_variances, samples, pis), (mean, variance, z, pi), strict=True):
            values.append(value)

    beta_mean, beta_variance = weighted_mean / precision, 1 / precision
    beta = beta_mean + beta_variance.sqrt() * beta_noise
    reconstruction, kl_z, kl_d = [], [], []
    for image, mean, variance, z, pi in zip(images, z_means, z_variances, samples, pis, strict=True):
        decoded = torch.sigmoid(model.decoder(torch.cat([z, beta])[None])[0])
        reconstruction.append(log_normal(image, decoded, torch.full_like(image, model.x_std**2)))
        components = range(model.num_components)
        kl_z.append(sum(pi[k] * kl_normal(mean, variance, *component_of(model, k, beta)) for k in components))
        kl_d.append(sum(pi[k] * torch.log(pi[k] * model.num_components) for k in components))
    zero, one = torch.zeros_like(beta), torch.ones_like(beta)
    return {
        "reconstruction": torch.stack(reconstruction),
        "kl_z": torch.stack(kl_z),
        "kl_d": torch.stack(kl_d),
        "kl_beta": kl_normal(beta_mean, beta_variance, zero, one),
    }


def reference_elbo(model: UGVAE, images: Tensor, z_noise: Tensor, beta_noise: Tensor) -> dict[str, Tensor]:
    """The terms of the bound, with the names and shapes of ``ugvae.models.Bound``, with the weights of ``model``.

    It must be in eval mode if it holds a BatchNorm, since images ``(G, B, C, H, W)`` pass one at a time. The noise is
    standard normal, ``(G, B, z_dim)`` and ``(G, beta_dim)``.
    """
    groups = [_reference_group(model, *group) for group in zip(images, z_noise, beta_noise, strict=True)]
    return {name: torch.stack([group[name] for group in groups]) for name in groups[0]}


class PlainUGVAE(nn.Module):
    """UG-VAE for one group per batch, with K prior modules and a Python loop wherever one comes naturally.

    The backbone is ``mlp``, or ``conv`` with BatchNorm. Settings are called as in ``ugvae.models.UGVAE``.
    """

    def __init__(
        self,
        image_shape: tuple[int, int, int] = (1, 28, 28),
        backbone: str = "mlp",
        z_dim: int = 10,
        beta_dim: int = 20,
        num_components: int = 10,
        x_std: float = 0.2,
    ) -> None:
        super().__init__()
        self.x_std = x_std
        build = {"mlp": _plain_mlp, "conv": _plain_conv}[backbone]
        self.encoder, self.decoder = build(image_shape, z_dim + beta_dim)
        self.z_net = nn.Linear(256, 2 * z_dim)
        self.d_net = nn.Sequential(nn.Linear(z_dim, 256), nn.Tanh(), nn.Linear(256, num_components))
        self.beta_net = nn.Linear(256 + num_components, 2 * beta_dim)
        self.prior_nets = nn.ModuleList(
            nn.Sequential(nn.Linear(beta_dim, 256), nn.ReLU(), nn.Linear(256, 2 * z_dim)) for _ in range(num_components)
        )

    def elbo(
        self, images: Tensor, z_noise: Tensor | None = None, beta_noise: Tensor | None = None
    ) -> dict[str, Tensor]:
        """The terms for one group of images (B, C, H, W); noise is drawn where none is given."""
        h = self.encoder(images)
        z_mean, z_log_var = self.z_net(h).chunk(2, -1)
        z = z_mean + torch.exp(0.5 * z_log_var) * (torch.randn_like(z_mean) if z_noise is None else z_noise)

        log_pi = torch.log_softmax(self.d_net(z), -1)
        pi = log_pi.exp()
        factor_mean, factor_log_var = self.beta_net(torch.cat([h, pi], -1)).chunk(2, -1)
        precisions = 1 / factor_log_var.exp()
        beta_variance = 1 / precisions.sum(0)
        beta_mean = beta_variance * (precisions * factor_mean).sum(0)
        beta = beta_mean + beta_variance.sqrt() * (torch.randn_like(beta_mean) if beta_noise is None else beta_noise)

        decoded = self.decoder(torch.stack([torch.cat([z_i, beta]) for z_i in z]))
        pixel_log_prob = torch.distributions.Normal(decoded, self.x_std).log_prob(images)

        kl_z = torch.zeros_like(pi[:, 0])
        for k, prior_net in enumerate(self.prior_nets):
            mean, log_var = prior_net(beta).chunk(2, -1)
            kl_z = kl_z + pi[:, k] * kl_normal(z_mean, z_log_var.exp(), mean, torch.tanh(log_var).exp())
        return {
            "reconstruction": pixel_log_prob.sum((1, 2, 3)),
            "kl_z": kl_z,
            "kl_d": (pi * (log_pi + math.log(pi.shape[-1]))).sum(-1),
            "kl_beta": kl_normal(beta_mean, beta_variance, torch.zeros_like(beta), torch.ones_like(beta)),
        }

    def loss(self, images: Tensor) -> Tensor:
        """−ELBO of one group of images (B, C, H, W), in nats per image."""
        terms = self.elbo(images)
        return -((terms["reconstruction"] - terms["kl_z"] - terms["kl_d"]).sum() - terms["kl_beta"]) / len(images)


def _plain_mlp(image_shape: tuple[int, int, int], latent_dim: int) -> tuple[nn.Module, nn.Module]:
    pixels = math.prod(image_shape)
    encoder = nn.Sequential(nn.Flatten(), nn.Linear(pixels, 256), nn.ReLU())
    output = [nn.Linear(256, pixels), nn.Sigmoid(), nn.Unflatten(1, image_shape)]
    return encoder, nn.Sequential(nn.Linear(latent_dim, 256), nn.ReLU(), *output)


def _plain_conv(image_shape: tuple[int, int, int], latent_dim: int) -> tuple[nn.Module, nn.Module]:
    channels, height, _ = image_shape
    widths = [32, 32, 64, 64, 64][: {8: 1, 16: 2, 32: 3, 64: 4, 128: 5}[height]]
    encoder, inputs = nn.Sequential(), channels
    for width in widths:
        encoder.extend([nn.Conv2d(inputs, width, 4, stride=2, padding=1), nn.BatchNorm2d(width), nn.ReLU()])
        inputs = width
    encoder.extend([nn.Conv2d(inputs, 256, 4), nn.BatchNorm2d(256), nn.ReLU(), nn.Flatten()])

    decoder = nn.Sequential(nn.Linear(latent_dim, 256), nn.ReLU(), nn.Unflatten(1, (256, 1, 1)))
    decoder.append(nn.ConvTranspose2d(256, widths[-1], 4))
    inputs = widths[-1]
    for width in [*widths[-2::-1], channels]:
        decoder.extend([nn.ReLU(), nn.ConvTranspose2d(inputs, width, 4, stride=2, padding=1)])
        inputs = width
    return encoder, decoder.append(nn.Sigmoid())


@torch.no_grad()
def copy_weights(source: UGVAE, target: PlainUGVAE) -> None:
    """Gives ``target`` the weights and running statistics of ``source``, a model of the same sizes."""
    pairs = [(source.encoder, target.encoder), (source.decoder, target.decoder), (source.z_head, target.z_net)]
    pairs += [(source.d_head, target.d_net), (source.beta_head, target.beta_net)]
    for theirs, ours in pairs:
        values = theirs.state_dict().values()
        ours.load_state_dict(dict(zip(ours.state_dict(), values, strict=True)))
    prior = source.mixture_prior
    width = prior.weight.shape[1]
    for k, (first, _, second) in enumerate(target.prior_nets):
        first.weight.copy_(prior.hidden.weight[k * width : (k + 1) * width])
        first.bias.copy_(prior.hidden.bias[k * width : (k + 1) * width])
        second.weight.copy_(prior.weight[k].T)
        second.bias.copy_(prior.bias[k, 0])
