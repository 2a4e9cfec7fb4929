"""Every model under every likelihood: training, the importance-weighted bound, masks, checkpoints, old ones too.

Axes: G groups, B images.
"""

import math

import pytest
import torch
from torch import Tensor
from torch.distributions import ContinuousBernoulli, Normal
from torch.testing import assert_close

from tests.helpers.reference import fixed_noise, recorded_noise
from tests.helpers.small_models import B, G, every_model, make, make_images
from ugvae.evaluation.bounds import importance_weighted_bound
from ugvae.models import UGVAE, BaseVAE, NestedVAE
from ugvae.networks.likelihoods import LIKELIHOODS

every_likelihood = pytest.mark.parametrize("likelihood", LIKELIHOODS)


def levels(model: BaseVAE) -> Tensor:
    """Images of whole grey levels, black and white among them."""
    images = (make_images(model) * 300 - 20).round().clamp(0, 255)
    return images / 255


def restated(name: str, images: Tensor, logits: Tensor, std: float) -> Tensor:
    """Log density as its definition says, nats per image."""
    mean = logits.sigmoid()
    if name == "continuous_bernoulli":
        pixels = ContinuousBernoulli(logits=logits).log_prob(images)
    elif name == "discretized_logistic":
        scale = std * math.sqrt(3) / math.pi
        upper = ((images + 0.5 / 255 - mean) / scale).sigmoid().masked_fill(images == 1, 1.0)
        lower = ((images - 0.5 / 255 - mean) / scale).sigmoid().masked_fill(images == 0, 0.0)
        pixels = (255 * (upper - lower)).log()
    else:
        pixels = Normal(mean, std).log_prob(images)
    return pixels.sum((-3, -2, -1))


class Decoded:
    """Keeps the logits that a model decodes."""

    def __init__(self, model: BaseVAE) -> None:
        self.logits: list[Tensor] = []
        model.decoder.register_forward_hook(lambda module, inputs, output: self.logits.append(output))


@every_likelihood
@every_model
def test_bounds_have_the_likelihood_that_was_asked_for(model_class: type[BaseVAE], likelihood: str) -> None:
    model = make(model_class, likelihood=likelihood, x_std=0.3)
    images, decoded = levels(model), Decoded(model)
    bound = model.elbo(images)
    logits = decoded.logits.pop().unflatten(0, (G, B))
    assert_close(bound["reconstruction"], restated(likelihood, images, logits, 0.3), rtol=1e-5, atol=1e-5)
    assert_close(model.loss(bound), -model.objective(bound).mean() / B)

    draw = model.draw_global(images)
    with recorded_noise() as noise:
        weights = model.local_log_weights(images, draw, 3)
    logits = decoded.logits.pop().unflatten(0, (G, 3, B))
    z = draw.z.mean.unsqueeze(1) + draw.z.std.unsqueeze(1) * noise[0]
    log_q = Normal(draw.z.mean.unsqueeze(1), draw.z.std.unsqueeze(1)).log_prob(z).sum(-1)
    rest = weights - restated(likelihood, images.unsqueeze(1), logits, 0.3) + log_q
    if not model.num_components:
        assert_close(rest, Normal(0.0, 1.0).log_prob(z).sum(-1), rtol=1e-5, atol=1e-5)
    assert importance_weighted_bound(model, images, 2, 5).isfinite().all()


@every_likelihood
@every_model
def test_every_parameter_learns_and_means_are_images(model_class: type[BaseVAE], likelihood: str) -> None:
    model = make(model_class, likelihood=likelihood).train()
    decoded = Decoded(model)
    model.loss(model.elbo(levels(model))).backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.abs().max() > 0, name
    assert any("likelihood" in name for name, _ in model.named_parameters()) == (
        likelihood in ("learned_std", "discretized_logistic")
    )
    decoded.logits.clear()
    images = model.sample(2, 3)
    expected = decoded.logits.pop()
    expected = ContinuousBernoulli(logits=expected).mean if likelihood == "continuous_bernoulli" else expected.sigmoid()
    assert_close(images, expected.unflatten(0, (2, 3)), rtol=0, atol=1e-5)


@every_likelihood
def test_masked_images_are_in_no_sum(likelihood: str) -> None:
    model = make(UGVAE, likelihood=likelihood)
    images, mask = levels(model), torch.tensor([[True, True, False, False], [True] * 4])
    with recorded_noise() as noise:
        bound = model.elbo(images, mask)
    assert not bound["reconstruction"][~mask].any()
    model.loss(bound).backward()
    gradients = [parameter.grad.clone() for parameter in model.parameters()]
    model.zero_grad()
    other = images.where(mask[..., None, None, None], 1 - images)
    with fixed_noise(*noise):
        model.loss(model.elbo(other, mask)).backward()
    for gradient, parameter in zip(gradients, model.parameters(), strict=True):
        assert_close(gradient, parameter.grad)


@every_likelihood
def test_autocast_keeps_densities_in_float32(likelihood: str) -> None:
    model = make(UGVAE, double=False, likelihood=likelihood)
    images = levels(model)
    with recorded_noise() as noise:
        exact = model.elbo(images)["reconstruction"]
    with fixed_noise(*noise), torch.autocast("cpu", torch.bfloat16):
        half = model.elbo(images)["reconstruction"]
    assert half.dtype == torch.float32
    assert_close(half, exact, rtol=0.05, atol=0.5)


@every_likelihood
def test_checkpoints_keep_what_was_learned(likelihood: str, tmp_path) -> None:
    model = make(NestedVAE, double=False, likelihood=likelihood, x_std=0.3)
    with torch.no_grad():
        for parameter in model.likelihood.parameters():
            parameter.add_(0.5)
    torch.save({"hparams": dict(model.hparams), "weights": model.state_dict()}, tmp_path / "plain.pt")
    saved = torch.load(tmp_path / "plain.pt", weights_only=True)
    again = NestedVAE(**saved["hparams"]).eval()
    again.load_state_dict(saved["weights"])
    images, logits = levels(model), torch.randn(G, B, *model.image_shape)
    assert_close(again.likelihood.log_prob(images, logits), model.likelihood.log_prob(images, logits))


def test_checkpoints_of_before_have_the_likelihood_of_then() -> None:
    model = make(UGVAE, x_std=0.3)
    before = {name: value for name, value in model.hparams.items() if name not in ("likelihood", "width", "depth")}
    again = UGVAE(**before).double().eval()
    again.load_state_dict(model.state_dict())  # no weight more than it had
    logits, images = torch.randn(3, *model.image_shape, dtype=torch.float64), levels(model)[0, :3]
    assert_close(again.likelihood.log_prob(images, logits), restated("gaussian", images, logits, 0.3))
