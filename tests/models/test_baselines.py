"""What is special to one baseline, and where models coincide. Axes: G groups, B images."""

from types import SimpleNamespace

import pytest
import torch
from torch.distributions import Normal
from torch.testing import assert_close

from tests.helpers.reference import fixed_noise, recorded_noise
from tests.helpers.small_models import B, G, make, make_images
from ugvae.distributions import kl_gaussians
from ugvae.errors import ConfigError
from ugvae.models import GMVAE, MLVAE, UGVAE, VAE, BaseVAE, BetaVAE, NestedVAE


def test_beta_vae_with_beta_one_is_the_vae_to_the_last_bit() -> None:
    results = []
    for model_class, settings in ((VAE, {}), (BetaVAE, {"beta": 1.0})):
        torch.manual_seed(3)
        model = model_class((1, 8, 8), 4, **settings)
        optimiser = torch.optim.Adam(model.parameters())
        for _ in range(5):
            loss = model.loss(model.elbo(torch.rand(2, 3, 1, 8, 8)))
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        results.append((loss, *model.parameters()))
    assert all(map(torch.equal, *results))


def test_beta_vae_reports_the_unweighted_bound() -> None:
    model = make(BetaVAE, beta=7.0)
    elbo = model.elbo(make_images(model))
    assert_close(elbo.total, (elbo["reconstruction"] - elbo["kl_z"]).sum(1))
    assert_close(model.objective(elbo), (elbo["reconstruction"] - 7 * elbo["kl_z"]).sum(1))


@pytest.mark.parametrize("model_class", [UGVAE, GMVAE])
def test_one_component_is_no_mixture(model_class: type[BaseVAE]) -> None:
    model = make(model_class, num_components=1)
    images = make_images(model)
    with recorded_noise() as noise:
        elbo = model.elbo(images)
    assert torch.equal(elbo["kl_d"], torch.zeros_like(elbo["kl_d"]))
    if model_class is GMVAE:
        h = model.encode(images)
        w = model.w_head(h).mean + model.w_head(h).std * noise[1]
        only = model.prior(w.flatten(0, 1))
        expected = kl_gaussians(model.z_head(h), type(only)(*(part.view(G, B, -1) for part in only)))
        assert_close(elbo["kl_z"], expected)


def test_ugvae_with_a_standard_normal_component_is_the_mlvae() -> None:
    """K = 1 with m = 0, s = 1, and a beta_head that ignores π."""
    ugvae, mlvae = make(UGVAE, num_components=1), make(MLVAE)
    with torch.no_grad():
        ugvae.beta_head.weight[:, -1] = 0
        ugvae.mixture_prior.weight.zero_()
        ugvae.mixture_prior.bias.zero_()
        for name in ("encoder", "decoder", "z_head"):
            getattr(mlvae, name).load_state_dict(getattr(ugvae, name).state_dict())
        mlvae.beta_head.weight.copy_(ugvae.beta_head.weight[:, :-1])
        mlvae.beta_head.bias.copy_(ugvae.beta_head.bias)
    images = make_images(mlvae)
    with recorded_noise() as noise:
        expected = mlvae.elbo(images)
    with fixed_noise(*noise):
        elbo = ugvae.elbo(images)
    assert_close({name: elbo[name] for name in expected}, dict(expected))


def test_nested_vae_pairs_neighbours_and_can_leave_the_outer_vae_alone() -> None:
    model = make(NestedVAE)
    images = make_images(model)
    with pytest.raises(ConfigError, match=r"^group_size: .*even, got 3"):
        model.elbo(images[:, :3])
    assert model.infer_common(images).mean.shape == (G, B, 2)
    with recorded_noise() as noise:
        elbo = model.elbo(images)
    changed = images.clone()
    changed[0, 3] = 0
    with fixed_noise(*noise):
        other = model.elbo(changed)
    moved = (elbo["inner_reconstruction"] != other["inner_reconstruction"])[0]
    assert moved.tolist() == [False, False, True, True]


@pytest.mark.parametrize("inner_sees", ["samples", "means"])
def test_nested_vae_trains_its_outer_vae_as_if_alone(inner_sees: str) -> None:
    nested, vae = make(NestedVAE, joint=False, inner_sees=inner_sees), make(VAE)
    vae.load_state_dict({name: nested.state_dict()[name] for name in vae.state_dict()})
    images = make_images(nested)
    with recorded_noise() as noise:
        nested.loss(nested.elbo(images)).backward()
    with fixed_noise(noise[0]):
        vae.loss(vae.elbo(images)).backward()
    for name, parameter in vae.named_parameters():
        assert_close(nested.get_parameter(name).grad, parameter.grad)
    assert nested.inner_encoder[0].weight.grad.abs().max() > 0
    together = make(NestedVAE, joint=True, inner_sees=inner_sees)
    elbo = together.elbo(images)
    (elbo["inner_reconstruction"] - elbo["inner_kl"]).sum().backward()
    assert together.z_head.weight.grad.abs().max() > 0


def test_noise_of_z_is_nothing_to_an_inner_vae_that_sees_means() -> None:
    for inner_sees in ("samples", "means"):
        model = make(NestedVAE, inner_sees=inner_sees)
        images = make_images(model)
        with recorded_noise() as noise:
            elbo = model.elbo(images)
        z_noise, common_noise = noise
        with fixed_noise(2 * z_noise, common_noise):
            other = model.elbo(images)
        assert torch.equal(elbo["inner_kl"], other["inner_kl"]) == (inner_sees == "means")
        assert not torch.equal(elbo["reconstruction"], other["reconstruction"])
    with pytest.raises(ConfigError, match=r"^inner_sees: expected samples or means, got 'mean'"):
        make(NestedVAE, inner_sees="mean")


def test_checkpoints_from_before_inner_sees_are_of_samples() -> None:
    settings = dict(make(NestedVAE).hparams)
    del settings["inner_sees"]
    assert NestedVAE(**settings).inner_sees == "samples"


@pytest.mark.parametrize(("grouping", "accepted"), [("attribute", True), ("random", False), (None, False)])
def test_nested_vae_says_what_data_it_needs(grouping: str | None, accepted: bool) -> None:
    model = make(NestedVAE)
    groups = {} if grouping is None else {"training_groups": SimpleNamespace(kind=grouping)}
    model.trainer = SimpleNamespace(datamodule=SimpleNamespace(**groups))
    model.setup("test")
    if accepted:
        model.setup("fit")
    else:
        with pytest.raises(ConfigError, match=r"^data.*NestedVAE needs groups of kind 'attribute'"):
            model.setup("fit")
    model.trainer.datamodule = None  # bare loaders
    model.setup("fit")


def test_gmvae_posterior_of_d_is_bayes() -> None:
    model = make(GMVAE)
    images = make_images(model)
    h = model.encode(images)
    z, w = model.z_head(h).mean, model.w_head(h).mean
    prior = model.prior(w.flatten(0, 1))
    joint = Normal(prior.mean, prior.std).log_prob(z.flatten(0, 1).unsqueeze(1)).sum(-1).exp()
    assert_close(model.infer(images).d.flatten(0, 1), joint / joint.sum(-1, keepdim=True))
