"""Use of beta and z, against models that use neither, and closed forms. Axes: N groups, B images."""

import json
import math
from dataclasses import astuple

import pytest
import torch
from torch.testing import assert_close

from tests.helpers.small_models import every_model, make
from ugvae.data.table import ImageTable
from ugvae.distributions import DiagonalGaussian, transport_between
from ugvae.errors import ConfigError
from ugvae.evaluation.encoding import encode_groups
from ugvae.evaluation.latent_use import LatentUse, latent_use, posterior_use
from ugvae.evaluation.results import from_json, to_json
from ugvae.models import UGVAE, BaseVAE

N, B = 5, 4


def make_table(model: BaseVAE) -> tuple[ImageTable, torch.Tensor]:
    images = torch.randint(256, (60, *model.image_shape), dtype=torch.uint8)
    return ImageTable(images), torch.randint(60, (N, B))


def ignore(model: BaseVAE, latent: slice) -> None:
    """Takes the weights of some inputs out of the decoder."""
    first = next(module for module in model.decoder.modules() if isinstance(module, torch.nn.Linear))
    with torch.no_grad():
        first.weight[:, latent] = 0


@every_model
def test_swaps_are_those_of_the_definition(model_class: type[BaseVAE]) -> None:
    model = make(model_class)
    table, groups = make_table(model)
    result = latent_use(model, table, groups, images_per_batch=2 * B)
    assert from_json(LatentUse, json.loads(json.dumps(to_json(result)))) == result
    posterior = encode_groups(model, table.images, groups)
    z, beta = posterior.z.mean, posterior.beta.mean if posterior.beta else None
    decoded = model.decode(z, beta).detach()
    images = table.images[groups].double() / 255
    swapped = {"swap_z": model.decode(z[:, [1, 2, 3, 0]], beta)}
    if model.beta_dim:
        swapped["swap_beta"] = model.decode(z, beta[[1, 2, 3, 4, 0]])
        if model.num_components:
            own, other = model.prior(beta), model.prior(beta.roll(-1, 0))
            z_moved = transport_between(z, posterior.d, own, other)
            swapped |= {
                "transported": model.decode(z_moved, beta.roll(-1, 0)),
                "transported_own": model.decode(z_moved, beta),
            }
    else:
        assert result.beta is None
        assert result.swap_beta is None
    normal = [torch.distributions.Normal(means.detach(), model.x_std) for means in (decoded, *swapped.values())]
    likelihood = [density.log_prob(images).sum((-3, -2, -1)).mean() for density in normal]
    for (name, other), after in zip(swapped.items(), likelihood[1:], strict=True):
        assert getattr(result, name).pixels == pytest.approx(float((other.detach() - decoded).abs().mean()))
        assert getattr(result, name).log_likelihood_loss == pytest.approx(float(likelihood[0] - after))


@torch.no_grad()
@pytest.mark.parametrize("likelihood", ["learned_std", "discretized_logistic", "continuous_bernoulli"])
def test_swaps_are_measured_by_the_likelihood_of_the_model(likelihood: str) -> None:
    model = make(UGVAE, likelihood=likelihood)
    table, groups = make_table(model)
    result, posterior = latent_use(model, table, groups), encode_groups(model, table.images, groups)
    z, beta, images = posterior.z.mean, posterior.beta.mean, table.images[groups].double() / 255
    loss = model.log_likelihood(images, z, beta) - model.log_likelihood(images, z, beta.roll(-1, 0))
    assert result.swap_beta.log_likelihood_loss == pytest.approx(loss.mean().item())
    changed = (model.decode(z, beta) - model.decode(z, beta.roll(-1, 0))).abs().mean()
    assert result.swap_beta.pixels == pytest.approx(changed.item())


@torch.no_grad()
def test_what_a_moved_z_does_by_itself_is_not_of_beta() -> None:
    """A decoder that ignores beta: transport changes the images, and beyond its control beta changes nothing."""
    model = make(UGVAE)
    ignore(model, slice(3, None))
    result = latent_use(model, *make_table(model))
    assert result.transported == result.transported_own
    assert result.transported.pixels > 1e-5
    assert (
        astuple(result.effects["transported"]) == astuple(result.effects["fixed"]) == pytest.approx((0, 0), abs=1e-12)
    )


def test_more_groups_than_are_swapped() -> None:
    model = make(UGVAE)
    table, groups = make_table(model)
    few, all_swapped = latent_use(model, table, groups, swapped=3), latent_use(model, table, groups)
    assert (few.groups, few.swapped, all_swapped.swapped) == (N, 3, N)
    assert few.beta == all_swapped.beta
    assert few.swap_beta == latent_use(model, table, groups[:3]).swap_beta
    known = few.beta.information
    assert known.information + known.mismatch == pytest.approx(few.beta.kl.mean)
    assert known.most == pytest.approx(math.log(N))


def test_swapping_what_the_decoder_ignores_changes_nothing() -> None:
    for latent, name, other in ((slice(3, None), "swap_beta", "swap_z"), (slice(0, 3), "swap_z", "swap_beta")):
        model = make(UGVAE)
        ignore(model, latent)
        result = latent_use(model, *make_table(model))
        assert astuple(getattr(result, name)) == pytest.approx((0, 0), abs=1e-12)
        assert getattr(result, other).pixels > 1e-3
        assert result.beta.kl.mean > 0, "to know is not to control"


def test_posterior_use_of_known_posteriors() -> None:
    """First dimension: means ±3 (variance 12 of two values … of 4 groups), s.d. 2; second: the prior in every group."""
    mean = torch.tensor([[3.0, 0], [-3, 0], [3, 0], [-3, 0]]).double()
    log_var = torch.tensor([4.0, 1.0]).double().log().expand(4, 2)
    use = posterior_use(DiagonalGaussian(mean, log_var))
    assert (use.active_units, use.dimensions, use.apart) == (1, 2, 1)
    assert use.variance_of_mean == pytest.approx([12, 0])
    assert use.between_over_posterior == pytest.approx([math.sqrt(3), 0])
    normal = torch.distributions.Normal(mean, (0.5 * log_var).exp())
    kl = torch.distributions.kl_divergence(normal, torch.distributions.Normal(0.0, 1.0)).sum(-1)
    assert_close(torch.tensor(use.kl.mean).double(), kl.mean())
    assert use.kl.sd == pytest.approx(0)


def test_what_cannot_be_swapped_is_named() -> None:
    model = make(UGVAE)
    table, groups = make_table(model)
    for few in (groups[:1], groups[:, :1]):
        with pytest.raises(ConfigError, match=r"^groups: swapping takes two groups of two images"):
            latent_use(model, table, few)
