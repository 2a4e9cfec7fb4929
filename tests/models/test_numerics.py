"""Precision, extreme images and long runs. Axes: G groups, B images per group, C channels, H and W pixels."""

import gc
import os
import resource
from pathlib import Path

import pytest
import torch
from pytorch_lightning import Callback, Trainer
from torch import Tensor

from tests.helpers.reference import fixed_noise
from tests.helpers.small_models import every_model, make
from ugvae.datamodules import DigitsDataModule
from ugvae.models import UGVAE, BaseVAE
from ugvae.runs.loggers import MetricsLogger

# agreement with float64 on trained weights: elbo per image in nats, posterior means in units of their own spread
BOUNDS = {"float32": (1e-4, 1e-5), "bfloat16": (0.25, 0.05)}
LONG_RUN = int(os.environ.get("UGVAE_LONG_RUN_STEPS", "100000"))
QUIET = dict.fromkeys(("logger", "enable_checkpointing", "enable_progress_bar", "enable_model_summary"), False)


def trainer(steps: int, **settings) -> Trainer:
    fixed = {"accelerator": "cpu", "max_epochs": -1, "limit_val_batches": 0, "use_distributed_sampler": False}
    return Trainer(max_steps=steps, **{**QUIET, **fixed, **settings})


@pytest.fixture(scope="module")
def data() -> DigitsDataModule:
    return DigitsDataModule(image_size=16)


@pytest.fixture(scope="module", params=["mlp", "conv"])
def trained(request: pytest.FixtureRequest, data: DigitsDataModule) -> BaseVAE:
    """A UG-VAE after a few hundred steps: on weights of the start every precision looks well."""
    torch.manual_seed(0)
    model = UGVAE((1, 16, 16), backbone=request.param, z_dim=4, beta_dim=4, num_components=5)
    trainer(300 if request.param == "mlp" else 60).fit(model, data)
    return model.eval()


def terms(model: BaseVAE, images: Tensor, precision: str) -> dict[str, Tensor]:
    """The bound with given noise, and the posterior means, in float64."""
    dtype = torch.float64 if precision == "float64" else torch.float32
    copy = type(model)(**model.hparams).eval()
    copy.load_state_dict(model.state_dict())
    copy.to(dtype)
    generator = torch.Generator().manual_seed(0)
    shapes = [(*images.shape[:2], model.z_dim), (images.shape[0], model.beta_dim)]
    noise = [torch.randn(shape, generator=generator, dtype=torch.float64).to(dtype) for shape in shapes]
    half = torch.autocast("cpu", dtype=torch.bfloat16, enabled=precision == "bfloat16")
    with torch.no_grad(), half, fixed_noise(*noise):
        elbo = copy.elbo(images.to(dtype))
    with torch.no_grad(), half:
        posterior = copy.infer(images.to(dtype))
    elbo_per_image = elbo.total / images.shape[1]
    values = {"elbo": elbo_per_image, "z": posterior.z.mean, "d": posterior.d, "beta": posterior.beta.mean}
    return {name: value.double() for name, value in values.items()}


@pytest.mark.parametrize("precision", BOUNDS)
def test_precisions_agree_on_trained_weights(trained: BaseVAE, data: DigitsDataModule, precision: str) -> None:
    images = data.table("val").images[:128].view(8, 16, 1, 16, 16) / 255
    exact, rounded = terms(trained, images, "float64"), terms(trained, images, precision)
    nats, spread = BOUNDS[precision]
    error = (rounded["elbo"] - exact["elbo"]).abs().max()
    assert error < nats
    assert error > 0, "the two were computed in the same precision"
    for name in ("z", "d", "beta"):
        assert (rounded[name] - exact[name]).abs().max() < spread * exact[name].std(), name


def test_training_in_bfloat16_learns_as_in_float32(data: DigitsDataModule) -> None:
    scores = {}
    for precision in ("32-true", "bf16-mixed"):
        torch.manual_seed(0)
        model = UGVAE((1, 16, 16), z_dim=4, beta_dim=4, num_components=5)
        trainer(100, precision=precision).fit(model, data)
        images = data.table("val").images[:128].view(8, 16, 1, 16, 16) / 255
        scores[precision] = terms(model, images, "float64")["elbo"].mean().item()
    assert abs(scores["bf16-mixed"] - scores["32-true"]) < 0.1 * abs(scores["32-true"])


# ------------------------------------------------------------------------------------------------------ extreme images

EXTREMES = {
    "all black": lambda x: torch.zeros_like(x),
    "all white": lambda x: torch.ones_like(x),
    "one image repeated": lambda x: x[:1, :1].expand_as(x).clone(),
    "black and white by turns": lambda x: (torch.arange(x.shape[1]) % 2).view(1, -1, 1, 1, 1).expand_as(x).to(x),
    "one white pixel": lambda x: torch.zeros_like(x).index_put_([torch.tensor(0)] * 5, torch.tensor(1.0)),
}


def assert_finite_step(model: BaseVAE, images: Tensor) -> None:
    """The loss, all gradients, and the loss after one step of Adam."""
    optimizer = model.train().configure_optimizers()["optimizer"]
    for _ in range(2):
        elbo = model.elbo(images)
        loss = model.loss(elbo)
        assert all(term.isfinite().all() for term in elbo.values())
        optimizer.zero_grad()
        loss.backward()
        given = {name: weight.grad for name, weight in model.named_parameters() if weight.grad is not None}
        assert [name for name, gradient in given.items() if not gradient.isfinite().all()] == []
        optimizer.step()
    assert all(weight.isfinite().all() for weight in model.parameters())


@every_model
@pytest.mark.parametrize("kind", EXTREMES)
@pytest.mark.parametrize("backbone", ["mlp", "conv"])
def test_extreme_images(model_class: type[BaseVAE], backbone: str, kind: str) -> None:
    model = make(model_class, (1, 16, 16), double=False, backbone=backbone)
    assert_finite_step(model, EXTREMES[kind](torch.rand(2, 4, 1, 16, 16)))


@every_model
@pytest.mark.parametrize(("groups", "size"), [(1, 2), (3, 1), (1, 4096)])
def test_extreme_groups(model_class: type[BaseVAE], groups: int, size: int) -> None:
    if model_class.data_grouping and size == 1:
        pytest.skip("pairs need two images")
    model = make(model_class, (1, 8, 8), double=False, backbone="mlp")
    assert_finite_step(model, torch.rand(groups, size, 1, 8, 8))


@every_model
def test_extreme_weights_of_the_heads(model_class: type[BaseVAE]) -> None:
    """Log-variances far out of range, of every sign, as a learning rate that is too high makes them."""
    model = make(model_class, (1, 8, 8), double=False, backbone="mlp")
    for scale in (1e2, -1e2):
        with torch.no_grad():
            for name, weight in model.named_parameters():
                if "head" in name:
                    weight.mul_(scale)
        elbo = model.elbo(torch.rand(2, 4, 1, 8, 8))
        assert all(term.isfinite().all() for term in elbo.values())
        model.loss(elbo).backward()
        assert all(weight.grad.isfinite().all() for weight in model.parameters() if weight.grad is not None)
        model.zero_grad()


@every_model
def test_one_component_and_one_image(model_class: type[BaseVAE]) -> None:
    model = make(model_class, (1, 8, 8), double=False, backbone="mlp", num_components=1, num_pseudo_inputs=1)
    size = 2 if model_class.data_grouping else 1
    assert_finite_step(model, torch.rand(2, size, 1, 8, 8))
    elbo = model.eval().elbo(torch.rand(2, size, 1, 8, 8))
    if "kl_d" in elbo:
        assert elbo["kl_d"].abs().max() < 1e-6, "with one component there is nothing to choose"


# ----------------------------------------------------------------------------------------------------------- long runs


def memory() -> float:
    """Megabytes that this process holds."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1e6


def long_run(steps: int, tmp_path: Path) -> None:
    """Digits through the command's own loop; memory at a fifth of the run against its end, and no NaN on the way."""
    model = UGVAE((1, 8, 8), z_dim=4, beta_dim=4, num_components=5, schedule="constant")
    held: dict[int, float] = {}
    elbos: list[float] = []

    class Watch(Callback):
        def on_train_batch_end(self, trainer: Trainer, *_: object) -> None:
            if trainer.global_step % (steps // 5) == 0:
                held[trainer.global_step] = memory()
                elbos.append(model.latest_terms.get("elbo", float("nan")))

    run = trainer(steps, callbacks=[Watch()], logger=MetricsLogger(tmp_path, "long"), log_every_n_steps=9)
    run.fit(model, DigitsDataModule(image_size=8))
    values = list(held.values())
    assert run.global_step == steps
    assert all(weight.isfinite().all() for weight in model.parameters())
    assert max(values[1:]) - values[0] < 8, f"MB after each fifth: {values}"
    assert elbos[-1] > elbos[0] - 0.05 * abs(elbos[0]), f"nats per image after each fifth: {elbos}"


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="memory is read from /proc")
def test_short_run_without_leak(tmp_path: Path) -> None:
    long_run(400, tmp_path)


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="memory is read from /proc")
def test_long_run_without_drift_or_leak(tmp_path: Path) -> None:
    """UGVAE_LONG_RUN_STEPS steps, 100,000 by default."""
    long_run(LONG_RUN, tmp_path)
