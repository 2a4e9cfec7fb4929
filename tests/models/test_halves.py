"""Split-half encoding: the beta of one half of a group from its other half. Axes: G groups, B images per group."""

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from tests.helpers.reference import component_of, fixed_noise, kl_normal, linear_gaussian, recorded_noise
from tests.helpers.reference_models import encode, kl_standard, log_likelihood
from tests.helpers.small_models import make, make_images, quiet_trainer
from ugvae.datamodules import DigitsDataModule
from ugvae.distributions import DiagonalGaussian
from ugvae.errors import ConfigError
from ugvae.evaluation.bounds import importance_weighted_bound
from ugvae.models import GVAE, MLVAE, UGVAE, VAE, BaseVAE, Bound, NeuralStatistician
from ugvae.models.bound import in_halves

EXACT = {"rtol": 0, "atol": 1e-10}
SIZES = (1, 2, 5, 8)
product_models = pytest.mark.parametrize("model_class", [UGVAE, MLVAE])
grouped_models = pytest.mark.parametrize("model_class", [UGVAE, MLVAE, GVAE, NeuralStatistician])


def halved(model_class: type[BaseVAE], *shape, **settings) -> BaseVAE:
    return make(model_class, *shape, beta_from="other_half", **settings)


def bound_of_halves(model: BaseVAE, images: Tensor, mask: Tensor | None = None) -> Bound:
    return model._bound(*in_halves(images, mask), halves=True).of_whole_groups()


def plain_half(
    model: BaseVAE,
    images: list[Tensor],
    z_noise: list[Tensor],
    others: list[Tensor],
    other_noise: list[Tensor],
    beta_noise: Tensor,
) -> Tensor:
    """The bound of one half, in variances, one image at a time; ``others`` are the images that give its beta."""

    def local(image: Tensor, noise: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        mean, variance = linear_gaussian(model.z_head, encode(model, image))
        z = mean + variance.sqrt() * noise
        pi = model.d_head(z).softmax(0) if model.num_components else z[:0]
        return mean, variance, z, pi

    precision = torch.full_like(beta_noise, 1.0 if model.prior_expert or not others else 0.0)
    weighted = torch.zeros_like(beta_noise)
    for image, noise in zip(others, other_noise, strict=True):
        features = torch.cat([encode(model, image), local(image, noise)[3]])
        mean, variance = linear_gaussian(model.beta_head, features)
        precision, weighted = precision + 1 / variance, weighted + mean / variance
    beta = weighted / precision + precision.rsqrt() * beta_noise
    total = -kl_standard(weighted / precision, 1 / precision) if images else torch.zeros_like(beta[0])
    for image, noise in zip(images, z_noise, strict=True):
        mean, variance, z, pi = local(image, noise)
        total = total + log_likelihood(model, image, torch.cat([z, beta]))
        if model.num_components:
            components = [component_of(model, k, beta) for k in range(model.num_components)]
            total = total - sum(p * kl_normal(mean, variance, *part) for p, part in zip(pi, components, strict=True))
            total = total - sum(p * torch.log(p * len(pi)) for p in pi)
        else:
            total = total - kl_standard(mean, variance)
    return total


def plain_bound(model: BaseVAE, images: Tensor, z_noise: Tensor, beta_noise: Tensor) -> Tensor:
    """Of one group ``(B, C, H, W)``; noise of its halves: ``(2, ⌈B/2⌉, z_dim)``, and ``(2, beta_dim)`` by giver."""
    halves = [list(images[0::2]), list(images[1::2])]
    noise = [list(draws[: len(half)]) for draws, half in zip(z_noise, halves, strict=True)]
    return sum(plain_half(model, halves[i], noise[i], halves[1 - i], noise[1 - i], beta_noise[1 - i]) for i in (0, 1))


@product_models
@pytest.mark.parametrize("prior_expert", [False, True])
def test_groups_of_any_size_are_as_written_out(model_class: type[BaseVAE], prior_expert: bool) -> None:
    model = halved(model_class, prior_expert=prior_expert)
    images = make_images(model, len(SIZES), max(SIZES) + 1)  # an odd number of places
    mask = torch.arange(max(SIZES) + 1) < torch.tensor(SIZES).unsqueeze(1)
    with recorded_noise() as noise:
        bound = bound_of_halves(model, images, mask)
    z_noise, beta_noise = sorted(noise, key=lambda draw: -draw.ndim)
    for group, size in enumerate(SIZES):
        rows = slice(2 * group, 2 * group + 2)
        expected = plain_bound(model, images[group, :size], z_noise[rows], beta_noise[rows])
        assert_close(bound.total[group], expected, **EXACT)
    assert bound["reconstruction"][mask.logical_not().nonzero(as_tuple=True)].eq(0).all()
    assert bound["kl_beta"][0] == 0, "of one image, whose other half is empty"
    assert_close(model.loss(bound), -bound.total.sum() / sum(SIZES), **EXACT)
    model.loss(bound).backward()
    assert all(parameter.grad.isfinite().all() for parameter in model.parameters())


@pytest.mark.parametrize("model_class", [GVAE, NeuralStatistician])
def test_other_ways_to_combine_images_see_the_other_half(model_class: type[BaseVAE]) -> None:
    model = halved(model_class)
    images = make_images(model, len(SIZES), max(SIZES))
    mask = torch.arange(max(SIZES)) < torch.tensor(SIZES).unsqueeze(1)
    with recorded_noise() as noise:
        bound = bound_of_halves(model, images, mask)
    z_noise, beta_noise = sorted(noise, key=lambda draw: -draw.ndim)
    for group, size in enumerate(SIZES):
        halves = [images[group : group + 1, first:size:2] for first in (0, 1)]
        total = 0.0
        for i, half in enumerate(halves):
            other, row = halves[1 - i], 2 * group + 1 - i
            if other.shape[1]:
                q_beta = model.q_beta(model.encode(other))
            elif model_class is GVAE:
                q_beta = DiagonalGaussian(torch.zeros(1, 4).double(), torch.zeros(1, 4).double())
            else:  # what the statistic network says of no statistics
                q_beta = model.statistic_network(torch.zeros(1, 256).double())
            if not half.shape[1]:
                continue
            beta = q_beta.mean + q_beta.std * beta_noise[row]
            total = total - kl_standard(q_beta.mean[0], q_beta.log_var[0].exp())
            for place, image in enumerate(half[0]):
                q_z = model.q_z(model.encode(image[None, None]), beta)
                z = q_z.mean + q_z.std * z_noise[2 * group + i, place]
                prior = model.prior(beta) if model.num_components else DiagonalGaussian(0 * z, 0 * z)
                prior = prior.mean[0, 0], prior.log_var[0, 0].exp()
                total = total + log_likelihood(model, image, torch.cat([z[0, 0], beta[0]]))
                total = total - kl_normal(q_z.mean[0, 0], q_z.log_var[0, 0].exp(), *prior)
        assert_close(bound.total[group], total, **EXACT)
    model.loss(bound).backward()
    assert all(parameter.grad.isfinite().all() for parameter in model.parameters())


@grouped_models
@pytest.mark.parametrize("size", [6, 7])
def test_full_groups_are_as_with_a_mask(model_class: type[BaseVAE], size: int) -> None:
    model = halved(model_class)
    images = make_images(model, 3, size)
    with recorded_noise() as noise:
        expected = bound_of_halves(model, images, torch.ones(3, size, dtype=torch.bool))
    with fixed_noise(*noise):
        bound = bound_of_halves(model, images)
    assert_close(dict(bound), dict(expected), **EXACT)
    with fixed_noise(*noise):
        loss, sums = model.training_outputs(images)
    assert_close(loss, -bound.total.mean() / size, **EXACT)
    assert_close(sums.values[0], bound.total.sum(), **EXACT)
    loss.backward()
    assert all(parameter.grad.abs().max() > 0 for parameter in model.parameters())


@grouped_models
@pytest.mark.parametrize("local_posterior", ["given_x", "given_beta"])
def test_beta_sees_the_other_half_alone(model_class: type[BaseVAE], local_posterior: str) -> None:
    model = halved(model_class, local_posterior=local_posterior)
    images = make_images(model, 1, 6)
    changed = images.clone()
    changed[0, 2] = 1 - changed[0, 2]
    with recorded_noise() as noise:
        bound = bound_of_halves(model, images)
    with fixed_noise(*noise):
        other = bound_of_halves(model, changed)
    assert (bound["reconstruction"] != other["reconstruction"])[0].tolist() == [False, True, True, True, False, True]


def test_factors_that_are_all_alike_give_the_halves_as_groups_of_their_own() -> None:
    model = halved(UGVAE)
    torch.nn.init.zeros_(model.beta_head.weight)
    images = make_images(model, 2, 6)
    with recorded_noise() as noise:
        bound = bound_of_halves(model, images)
    z_noise, beta_noise = noise
    with fixed_noise(z_noise, beta_noise.unflatten(0, (-1, 2)).flip(1).flatten(0, 1)):
        expected = model.elbo(in_halves(images)[0])
    assert_close(bound.total, expected.total.view(2, 2).sum(1), **EXACT)
    assert_close(bound["kl_z"][:, 0::2], expected["kl_z"][0::2], **EXACT)
    assert_close(bound["kl_z"][:, 1::2], expected["kl_z"][1::2], **EXACT)


def test_the_term_of_independence_is_that_of_the_halves() -> None:
    model = halved(MLVAE, independence=2.0)
    images = make_images(model, 3, 4)
    parts = model._bound(*in_halves(images), halves=True)
    bound = parts.of_whole_groups()
    assert_close(bound["hsic"], parts["hsic"][:3], **EXACT)
    assert_close(model.loss(bound), model.loss(parts), **EXACT)
    assert "hsic" in bound.beside


@grouped_models
def test_evaluation_takes_the_whole_group(model_class: type[BaseVAE]) -> None:
    model, plain = halved(model_class), make(model_class)
    plain.load_state_dict(model.state_dict())
    images = make_images(model)
    results = []
    for one in (model, plain):
        torch.manual_seed(1)
        results.append([one.elbo(images).total, importance_weighted_bound(one, images, 2, 3), *one.infer(images).beta])
    assert all(map(torch.equal, *results))


def test_a_step_is_one_graph() -> None:
    model = halved(UGVAE, double=False)
    images = make_images(model, 3, 4)
    torch._dynamo.reset()
    compiled = torch.compile(model._training_outputs, backend="eager", fullgraph=True)
    torch.manual_seed(0)
    loss, _ = compiled(images)
    torch.manual_seed(0)
    assert_close(loss, model._training_outputs(images)[0])


@pytest.mark.parametrize(
    "grouping",
    [
        {"grouping": "given", "group_column": "label", "group_size": 7},
        {"grouping": "similar", "statistics": ["ink"], "group_size": 5, "groups_per_batch": 3},
    ],
)
def test_trains_on_groups_of_every_kind(grouping: dict) -> None:
    model = halved(UGVAE, (1, 8, 8), double=False).train()
    trainer = quiet_trainer(max_epochs=1, limit_train_batches=3, limit_val_batches=2)
    trainer.fit(model, DigitsDataModule(image_size=8, **grouping))
    assert trainer.global_step == 3
    assert trainer.callback_metrics["val/elbo"].isfinite()
    assert model.latest_terms["kl_beta"] > 0


def test_what_cannot_be_halved_is_refused_by_name() -> None:
    with pytest.raises(ConfigError, match=r"^beta_from: the images of a group share nothing in VAE; .* group$"):
        VAE((1, 8, 8), beta_from="other_half")
    with pytest.raises(ConfigError, match=r"^span_devices: a group is cut into halves"):
        MLVAE((1, 8, 8), beta_from="other_half", span_devices=True)
    with pytest.raises(ConfigError, match=r"^beta_from: expected group or other_half, got 'half'"):
        MLVAE((1, 8, 8), beta_from="half")
    with pytest.raises(ConfigError, match=r"^beta_from: an image alone has no other half; set data.group_size"):
        quiet_trainer(max_steps=1).fit(
            halved(MLVAE, (1, 8, 8), double=False), DigitsDataModule(image_size=8, group_size=1)
        )
