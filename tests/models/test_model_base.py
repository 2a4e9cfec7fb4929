"""What every model shares, on the UG-VAE: settings, checks of images, checkpoints, the optimiser."""

import itertools
import math
from pathlib import Path

import pytest
import torch
from pytorch_lightning import Trainer
from torch.testing import assert_close

from tests.helpers.reference import fixed_noise
from tests.helpers.small_ugvae import BETA, B, G, K, Z, elbo_with, make, make_images, make_noise
from ugvae.datamodules import DigitsDataModule
from ugvae.errors import ConfigError
from ugvae.models import UGVAE
from ugvae.models.optim import cosine_factor


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda x: x[0], r"expected \(G, B, 2, 5, 7\).*got \(3, 2, 5, 7\)"),
        (lambda x: x[:, :, :1], r"expected \(G, B, 2, 5, 7\).*got \(2, 3, 1, 5, 7\)"),
        (lambda x: x.mT, r"got \(2, 3, 2, 7, 5\)"),
        (lambda x: x[:0], r"G, B ≥ 1, got \(0, 3, 2, 5, 7\)"),
        (lambda x: x[:, :0], r"G, B ≥ 1, got \(2, 0, 2, 5, 7\)"),
        (lambda x: 255 * x, r"\[0, 1\], got .* to 2\d\d"),
        (lambda x: x - 1, r"\[0, 1\], got -"),
        (lambda x: torch.where(x == x.max(), math.nan, x), r"\[0, 1\], got nan"),
        (lambda x: torch.where(x == x.max(), math.inf, x), r"\[0, 1\], got .*inf"),
    ],
)
def test_bad_images(change, message: str) -> None:
    model = make()
    images = change(make_images(model))
    beta = torch.zeros(len(images), BETA, dtype=torch.float64)
    for use in (model.elbo, model.infer, lambda x: model.translate(x, beta, beta)):
        with pytest.raises(ValueError, match=f"^images: .*{message}"):
            use(images)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        *itertools.product(["z_dim", "beta_dim", "num_components"], [0, -1, math.nan, 2.5, 2.0, True]),
        *itertools.product(["x_std", "learning_rate"], [0, -1, math.nan, math.inf]),
        *itertools.product(["image_shape"], [(28, 28), (1, 0, 28), ()]),
        *itertools.product(["width", "depth"], [0, -1, 2.5, True, 16]),  # 16: of mlp, which has neither
        *[("backbone", "resnet"), ("norm", "layer"), ("schedule", "linear"), ("warmup_steps", -1)],
        ("likelihood", "bernoulli"),
    ],
)
def test_bad_settings_name_the_key(key: str, value) -> None:
    with pytest.raises(ConfigError, match=f"^{key}: "):
        UGVAE(**{"image_shape": (1, 28, 28), key: value})


def test_training_step_takes_bytes_and_autocast_keeps_float32() -> None:
    model = make("conv", double=False)
    batch = {"image": torch.randint(256, (G, B, 2, 16, 16), dtype=torch.uint8), "index": torch.zeros(G, B)}
    noise, kept = make_noise(model), batch["image"].clone()
    exact = elbo_with(model, kept / 255, noise)
    with fixed_noise(*noise):
        assert_close(model.training_step(batch, 0), model.loss(exact))
    assert torch.equal(batch["image"], kept)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        half = elbo_with(model, kept / 255, noise)
    assert {term.dtype for term in half.values()} == {torch.float32}
    for name, term in half.items():
        assert_close(term, exact[name], rtol=0.05, atol=0.05)


def test_checkpoint_holds_plain_types(tmp_path: Path) -> None:
    settings = {"z_dim": Z, "beta_dim": BETA, "num_components": K, "x_std": 0.3, "backbone": "conv", "norm": "group"}
    model = UGVAE((2, 16, 16), **settings, prior_expert=True).eval()
    hparams = dict(model.hparams)
    assert settings.items() <= hparams.items()
    assert "latent_dim" not in hparams
    for value in hparams.values():
        assert type(value) in (int, float, str, bool, tuple, list, type(None))

    torch.save({"hparams": hparams, "weights": model.state_dict()}, tmp_path / "plain.pt")
    saved = torch.load(tmp_path / "plain.pt", weights_only=True)
    again = UGVAE(**saved["hparams"]).eval()
    again.load_state_dict(saved["weights"])

    trainer = Trainer(accelerator="cpu", logger=False, enable_checkpointing=False, enable_progress_bar=False)
    trainer.strategy.connect(model)
    trainer.save_checkpoint(tmp_path / "lightning.ckpt")
    loaded = UGVAE.load_from_checkpoint(tmp_path / "lightning.ckpt", map_location="cpu", weights_only=True).eval()

    images = make_images(model)
    for other in (again, loaded):
        assert other.prior_expert
        assert other.x_std == 0.3
        assert_close(other.infer(images).beta, model.infer(images).beta)


def test_hparams_hold_the_defaults() -> None:
    shared = {
        "image_shape": (1, 28, 28),
        "backbone": "mlp",
        "width": 24,
        "depth": 1,
        "likelihood": "gaussian",
        "x_std": 0.2,
        "norm": "batch",
        "learning_rate": 5e-3,
        "schedule": "cosine",
        "warmup_steps": 50,
        "compile": False,
        "local_posterior": "given_x",
        "beta_from": "group",
        "independence": 0.0,
        "span_devices": False,
    }
    own = {"z_dim": 10, "beta_dim": 20, "num_components": 10, "prior_expert": False}
    assert dict(UGVAE((1, 28, 28)).hparams) == shared | own
    assert dict(UGVAE([1, 28, 28], x_std=0.5, z_dim=3).hparams) == shared | own | {"x_std": 0.5, "z_dim": 3}


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float16, torch.float32, torch.float64])
@pytest.mark.parametrize("double", [False, True])
def test_bytes_and_floats_of_any_precision_are_taken(double: bool, dtype: torch.dtype) -> None:
    model = make(double=double)
    levels = torch.randint(256, (G, B, *model.image_shape))
    levels[0, 0, 0, 0, :2] = torch.tensor([0, 255])
    images = levels.to(torch.uint8) if dtype == torch.uint8 else (levels / 255).to(dtype)
    kept = images.clone()
    unit = model.checked(images)
    assert torch.equal(images, kept)
    assert unit.dtype == model.dtype
    assert unit[0, 0, 0, 0, :2].tolist() == [0, 1]
    tolerance = 1e-3 if dtype == torch.float16 else 1e-6
    assert_close(unit, levels.to(model.dtype) / 255, rtol=0, atol=tolerance)
    assert_close(model.infer(images).z.mean, model.infer(levels.byte()).z.mean, rtol=0, atol=100 * tolerance)


def test_images_of_other_integers_are_refused() -> None:
    model = make()
    for use in (model.elbo, model.infer):
        with pytest.raises(ValueError, match=r"^images: expected uint8, or float in \[0, 1\], got torch.int64$"):
            use(torch.zeros(1, 1, *model.image_shape, dtype=torch.int64))


def test_cosine_factor() -> None:
    assert cosine_factor(0, 10) == 1
    assert cosine_factor(5, 10) == pytest.approx(0.5)
    assert cosine_factor(10, 10) == cosine_factor(11, 10) == pytest.approx(0, abs=1e-12)
    assert cosine_factor(10**9, math.inf) == 1  # a run without an end stays at its rate
    factors = [cosine_factor(step, 10) for step in range(11)]
    assert factors == sorted(factors, reverse=True)


@pytest.mark.parametrize("schedule", ["cosine", "constant"])
def test_optimizer_without_a_trainer(schedule: str) -> None:
    model = make(double=False, learning_rate=0.01, schedule=schedule)
    configured = model.configure_optimizers()
    assert set(configured) == {"optimizer"}  # the length of the run is unknown, so the rate stays
    optimizer = configured["optimizer"]
    assert [group["lr"] for group in optimizer.param_groups] == [0.01]
    before = [parameter.detach().clone() for parameter in model.parameters()]
    model.loss(model.elbo(make_images(model))).backward()
    optimizer.step()
    assert any(not torch.equal(old, new) for old, new in zip(before, model.parameters(), strict=True))


@pytest.mark.parametrize(
    ("schedule", "warmup_steps", "last"),
    [("cosine", 0, 0.0), ("constant", 0, 0.01), ("cosine", 2, 0.0), ("constant", 2, 0.01), ("constant", 9, 0.005)],
)
def test_learning_rate_over_a_run(schedule: str, warmup_steps: int, last: float) -> None:
    settings = {"learning_rate": 0.01, "schedule": schedule, "warmup_steps": warmup_steps}
    model = UGVAE((1, 8, 8), z_dim=2, beta_dim=2, num_components=2, **settings)
    quiet = dict.fromkeys(("logger", "enable_checkpointing", "enable_progress_bar", "enable_model_summary"), False)
    trainer = Trainer(accelerator="cpu", max_steps=4, limit_val_batches=0, use_distributed_sampler=False, **quiet)
    trainer.fit(model, DigitsDataModule(image_size=8))
    assert trainer.optimizers[0].param_groups[0]["lr"] == pytest.approx(last, abs=1e-12)


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
def test_gradients_are_clipped_with_a_fused_optimizer(precision: str) -> None:
    norms = []

    class Watched(UGVAE):
        def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
            assert optimizer.defaults["fused"]
            gradients = [parameter.grad for parameter in self.parameters()]
            norms.append(torch.nn.utils.get_total_norm(gradients).item())

        def configure_gradient_clipping(self, *arguments, **settings) -> None:
            super().configure_gradient_clipping(*arguments, **settings)
            self.on_before_optimizer_step(arguments[0])

    quiet = dict.fromkeys(("logger", "enable_checkpointing", "enable_progress_bar", "enable_model_summary"), False)
    trainer = Trainer(
        accelerator="cpu",
        precision=precision,
        gradient_clip_val=0.5,
        max_steps=2,
        limit_val_batches=0,
        use_distributed_sampler=False,
        **quiet,
    )
    trainer.fit(Watched((1, 8, 8), z_dim=2, beta_dim=2, num_components=2), DigitsDataModule(image_size=8))
    before, after = norms[::2], norms[1::2]
    assert min(before) > 1
    assert after == pytest.approx([0.5, 0.5], rel=1e-4)


def test_batch_norm_of_one_image_per_step_is_refused() -> None:
    quiet = dict.fromkeys(("logger", "enable_checkpointing", "enable_progress_bar", "enable_model_summary"), False)
    trainer = Trainer(accelerator="cpu", max_steps=1, limit_val_batches=0, use_distributed_sampler=False, **quiet)
    settings = {"z_dim": 2, "beta_dim": 2, "num_components": 2, "backbone": "conv"}
    alone = DigitsDataModule(image_size=8, group_size=1, groups_per_batch=1)
    with pytest.raises(ConfigError, match=r"^model.norm: batch needs two images per step"):
        trainer.fit(UGVAE((1, 8, 8), **settings), alone)
    trainer.fit(UGVAE((1, 8, 8), norm="none", **settings), alone)
    assert trainer.global_step == 1
