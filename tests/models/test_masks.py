"""Groups of unequal size, padded with a mask: exactly what a loop over the groups gives. Axes: G groups, B images."""

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from tests.helpers.reference import fixed_noise, recorded_noise
from tests.helpers.small_models import MODELS, make
from ugvae.errors import ConfigError
from ugvae.models import GMVAE, UGVAE, BaseVAE, NestedVAE
from ugvae.models.metrics import BoundMetric

SIZES = (1, 3, 16)
EXACT = {"rtol": 0, "atol": 1e-10}
masked_model = pytest.mark.parametrize("model_class", [model for model in MODELS if model is not NestedVAE])


def padded(model: BaseVAE) -> tuple[Tensor, Tensor]:
    """Groups of ``SIZES`` in one batch, and the mask; what is masked is noise too."""
    images = torch.rand(len(SIZES), max(SIZES), *model.image_shape, dtype=model.dtype)
    return images, torch.arange(max(SIZES)) < torch.tensor(SIZES).unsqueeze(1)


@masked_model
@pytest.mark.parametrize("prior_expert", [False, True])
def test_bound_and_gradients_are_those_of_a_loop_over_the_groups(
    model_class: type[BaseVAE], prior_expert: bool
) -> None:
    model = make(model_class, prior_expert=prior_expert)
    images, mask = padded(model)
    with recorded_noise() as noise:
        bound = model.elbo(images, mask)
    model.loss(bound).backward()
    gradients = [parameter.grad.clone() for parameter in model.parameters()]
    model.zero_grad()
    losses = []
    for group, size in enumerate(SIZES):
        rows = slice(group, group + 1)
        own = [draw[rows, :size] if draw.ndim == 3 else draw[rows] for draw in noise]
        with fixed_noise(*own):
            alone = model.elbo(images[rows, :size])
        assert_close(bound.total[rows], alone.total, **EXACT)
        for name, term in alone.items():
            ours = bound[name][rows] if term.ndim == 1 else bound[name][rows, :size]
            assert_close(ours, term, **EXACT, msg=lambda text, name=name: f"{name}: {text}")
            assert term.ndim == 1 or not bound[name][rows, size:].any()
        losses.append(-model.objective(alone).sum())
    (sum(losses) / sum(SIZES)).backward()
    for ours, parameter in zip(gradients, model.parameters(), strict=True):
        assert_close(ours, parameter.grad, **EXACT)


@masked_model
def test_posteriors_are_those_of_the_groups_alone(model_class: type[BaseVAE]) -> None:
    model = make(model_class)
    images, mask = padded(model)
    posterior = model.infer(images, mask)
    for group, size in enumerate(SIZES):
        alone = model.infer(images[group : group + 1, :size])
        assert_close(posterior.z.mean[group, :size], alone.z.mean[0], **EXACT)
        if alone.d is not None:
            assert_close(posterior.d[group, :size], alone.d[0], **EXACT)
        if alone.beta is not None:
            assert_close([*(part[group] for part in posterior.beta)], [*(part[0] for part in alone.beta)], **EXACT)


def test_masked_images_are_in_no_statistic_of_batchnorm() -> None:
    model = make(UGVAE, (1, 8, 8), backbone="conv").train()
    images, mask = padded(model)
    other = make(UGVAE, (1, 8, 8), backbone="conv").train()
    other.load_state_dict(model.state_dict())
    h = model.encode(images, mask)
    assert_close(h[mask], other.encode(images[mask].unsqueeze(0))[0], **EXACT)
    for name, buffer in model.named_buffers():
        assert_close(buffer, other.get_buffer(name), **EXACT)


def test_a_full_mask_changes_nothing() -> None:
    model = make(UGVAE)
    images, mask = padded(model)
    with recorded_noise() as noise:
        expected = model.elbo(images)
    with fixed_noise(*noise):
        bound = model.elbo(images, torch.ones_like(mask))
    assert_close(dict(bound), dict(expected), **EXACT)
    assert_close(model.loss(bound), model.loss(expected), **EXACT)


def test_means_count_the_images_that_there_are() -> None:
    model, metric = make(UGVAE), BoundMetric()
    images, mask = padded(model)
    bound = model.elbo(images, mask)
    metric.update(bound.sums(), torch.zeros(mask.shape, dtype=torch.long), mask)
    means = metric.compute()
    assert means["elbo"] == pytest.approx(bound.total.sum().item() / sum(SIZES))
    assert means["kl_z"] == pytest.approx(bound["kl_z"][mask].mean().item())
    assert means["kl_beta"] == pytest.approx(bound["kl_beta"].mean().item())


def test_what_a_mask_must_be() -> None:
    model = make(GMVAE)
    images, mask = padded(model)
    for wrong in (mask.int(), mask[:, :3], mask & False):
        with pytest.raises(ValueError, match=r"^mask: expected bool \(3, 16\) with an image in each group, got"):
            model.elbo(images, wrong)
    nested = make(NestedVAE)
    with pytest.raises(ConfigError, match=r"^data.grouping: NestedVAE takes pairs"):
        nested.elbo(*padded(nested))
