"""Every model alike: a new one is picked up from ``ugvae.models``, and needs a plain restatement in reference_models.

Axes: G groups, B images, K components.
"""

import inspect
from pathlib import Path

import pytest
import torch
from pytorch_lightning import Trainer
from pytorch_lightning.loggers import CSVLogger
from sklearn.datasets import load_digits
from torch.distributions import Normal
from torch.testing import assert_close

from tests.helpers import reference_models
from tests.helpers.reference import recorded_noise
from tests.helpers.small_models import MODELS, SETTINGS, WEIGHTS, B, G, every_model, make, make_images
from ugvae.callbacks import TrainingFigures
from ugvae.datamodules import DigitsDataModule
from ugvae.errors import ConfigError
from ugvae.evaluation.encoding import encode_groups
from ugvae.models import BaseVAE
from ugvae.runs.folder import read_metrics


def digits(split: slice, groups: int) -> torch.Tensor:
    images = torch.tensor(load_digits().images[split], dtype=torch.float32).div(16)
    return images[: len(images) // groups * groups].view(groups, -1, 1, 8, 8)


def test_the_names_of_the_design_are_there() -> None:
    grouped, mixtures = {"UGVAE", "MLVAE", "GVAE", "NeuralStatistician"}, {"GMVAE", "GMMPriorVAE", "VampPriorVAE"}
    assert {m.__name__ for m in MODELS} >= grouped | mixtures | {"VAE", "BetaVAE", "NestedVAE", "AdaGVAE", "AdaMLVAE"}
    assert {m.__name__ for m in MODELS} == set(reference_models.BOUNDS)


@every_model
@pytest.mark.parametrize("settings", [{}, WEIGHTS])
@pytest.mark.parametrize("conv", [False, True])
def test_bound_equals_reference(model_class: type[BaseVAE], conv: bool, settings: dict) -> None:
    backbone = {"shape": (2, 8, 8), "backbone": "conv", "norm": "group"} if conv else {}
    model = make(model_class, x_std=0.3, **backbone, **settings)
    images = make_images(model)
    with recorded_noise() as noise:
        elbo = model.elbo(images)
    expected = reference_models.BOUNDS[model_class.__name__](model, images, *noise)
    assert set(expected) == {*elbo, "total", "objective"}
    for name, term in elbo.items():
        assert term.shape in ((G,), (G, B))
        assert term.shape == expected[name].shape
        assert_close(term, expected[name], msg=lambda text, name=name: f"{name}: {text}")
        assert "kl" not in name or term.min() >= 0
    assert_close(elbo.total, expected["total"])
    assert_close(model.loss(elbo), -expected["objective"].mean() / B)


@every_model
@pytest.mark.parametrize("training", [False, True])
def test_every_parameter_learns(model_class: type[BaseVAE], training: bool) -> None:
    model = make(model_class).train(training)
    model.loss(model.elbo(make_images(model, 4, 8))).backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.abs().max() > 1e-9, name


@every_model
def test_loss_falls_on_real_images(model_class: type[BaseVAE]) -> None:
    images, held_out = digits(slice(0, 1500), 1500), digits(slice(1500, 1756), 8)
    settings = {"beta": 1.0}  # a heavier KL term needs longer
    model = make(model_class, (1, 8, 8), double=False, **settings).train()
    optimiser, losses = torch.optim.Adam(model.parameters(), model.learning_rate), []
    for _ in range(80):
        loss = model.loss(model.elbo(images[torch.randint(1500, (2, 32))].squeeze(2)))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    elbo = model.eval().elbo(held_out)
    mean_image = Normal(images.mean((0, 1)), model.x_std).log_prob(held_out).sum((2, 3, 4)).mean()
    assert losses[-1] < losses[0] - 50
    assert elbo.total.mean() / held_out.shape[1] > mean_image  # nats: better than a decoder that ignores its input


@every_model
def test_infer_gives_what_the_model_has(model_class: type[BaseVAE]) -> None:
    model = make(model_class)
    images = make_images(model)
    posterior = model.infer(images)
    with pytest.raises(ValueError, match=r"^images: "):
        model.infer(images[0])
    assert posterior.z.mean.shape == posterior.z.log_var.shape == (G, B, 3)
    assert (posterior.d is None) == (model.num_components == 0)
    assert (posterior.beta is None) == (model.beta_dim == 0)
    if posterior.d is not None:
        assert_close(posterior.d.sum(-1), torch.ones(G, B, dtype=torch.float64))
    if posterior.beta is not None:
        assert posterior.beta.mean.shape == posterior.beta.log_var.shape == (G, 4)
    again = model.infer(images)
    for one, other in zip(posterior, again, strict=True):
        assert (one is None and other is None) or all(map(torch.equal, one, other))

    table = torch.randint(256, (20, *model.image_shape), dtype=torch.uint8)
    encoded = encode_groups(model, table, torch.randperm(20).view(5, 4), images_per_batch=8)
    assert [value is None for value in encoded] == [value is None for value in posterior]
    assert encoded.z.mean.shape == (5, 4, 3)


@every_model
def test_sample_and_decode(model_class: type[BaseVAE]) -> None:
    model = make(model_class)
    images = model.sample(3, 5)
    assert images.shape == (3, 5, *model.image_shape)
    assert 0 <= images.min() <= images.max() <= 1
    for component in (-1, model.num_components):
        with pytest.raises(ValueError, match=f"^component: .*got {component}"):
            model.sample(1, 1, component)
    if model.num_components:
        last = model.num_components - 1
        assert model.sample(3, 5, component=last).shape == images.shape
        assert model.prior(torch.randn(7, model.condition_dim, dtype=torch.float64)).mean.shape == (7, last + 1, 3)
    z = torch.randn(3, 5, 3, dtype=torch.float64)
    beta = torch.randn(3, model.beta_dim, dtype=torch.float64) if model.beta_dim else None
    assert model.decode(z, beta).shape == images.shape
    with pytest.raises(ValueError, match=r"^beta: expected .*got \(2, 4\)"):
        model.sample(3, 5, beta=torch.zeros(2, 4, dtype=torch.float64))
    with pytest.raises(ValueError, match=r"^beta: "):
        model.decode(z, None if model.beta_dim else z[:, 0])


class FewDigits(DigitsDataModule):
    """60 images per split."""

    def read_split(self, split: str):
        table = super().read_split(split)
        return table.subset(table.columns["label"].argsort(stable=True)[:: len(table) // 60][:60])


def few_digits(model_class: type[BaseVAE]) -> DigitsDataModule:
    grouping = model_class.data_grouping or "random"
    return FewDigits(image_size=8, group_size=2, groups_per_batch=4, grouping=grouping)


@every_model
def test_fit_logs_draws_and_loads_again(model_class: type[BaseVAE], tmp_path: Path) -> None:
    model, data = make(model_class, (1, 8, 8), double=False).train(), few_digits(model_class)
    trainer = Trainer(
        accelerator="cpu",
        max_epochs=1,
        logger=CSVLogger(tmp_path),
        log_every_n_steps=2,
        callbacks=[TrainingFigures(groups_per_label=2)],
        use_distributed_sampler=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(model, data)
    logged = {name.removeprefix("train/") for name in read_metrics(Path(trainer.log_dir) / "metrics.csv")}
    assert {name for name in logged if "/" not in name} == {
        "elbo",
        "images_per_second",
        *model.elbo(make_images(model)).keys(),
    }

    figures = {path.stem for path in (Path(trainer.log_dir) / "figures").iterdir()}
    walk = "component_walks" if model.num_components else "global_walk" if model.beta_dim else "latent_walks"
    mapped = "beta_map" if model.beta_dim else "z_map"
    where_beta_is = {"aggregate_walks"} if model.beta_dim else set()
    assert figures == {"reconstructions", "samples", "curves", walk, mapped} | where_beta_is

    checkpoint = torch.load(trainer.checkpoint_callback.best_model_path, weights_only=True)
    assert checkpoint["model_class"] == f"{model_class.__module__}.{model_class.__name__}"
    plain = model_class(**checkpoint["hyper_parameters"])
    plain.load_state_dict(checkpoint["state_dict"])
    loaded = model_class.load_from_checkpoint(trainer.checkpoint_callback.best_model_path, weights_only=True)
    images = make_images(model)
    for again in (plain, loaded):
        assert_close(again.eval().infer(images).z, model.eval().infer(images).z)
        assert dict(again.hparams) == dict(model.hparams)


@every_model
def test_bad_settings_name_the_key(model_class: type[BaseVAE]) -> None:
    known = inspect.signature(model_class.__init__).parameters
    for key in SETTINGS.keys() & known:
        for value in (0, -1, 2.5, True):
            with pytest.raises(ConfigError, match=f"^{key}: "):
                make(model_class, **{key: value})
    for key in {"beta", "outer_kl_weight", "inner_kl_weight"} & set(known):
        for value in (-1, float("nan"), float("inf")):
            with pytest.raises(ConfigError, match=f"^{key}: "):
                make(model_class, **{key: value})
