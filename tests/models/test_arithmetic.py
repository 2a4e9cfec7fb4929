"""The arithmetic of a run where its settings say nothing, and that it stays near float32."""

import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path

import pytest
import torch
import torch._inductor.config
import yaml

from tests.helpers.reference import fixed_noise
from ugvae import machine
from ugvae.cli import main
from ugvae.experiments.bench.steps import can_compile
from ugvae.machine import default_precision
from ugvae.models import UGVAE


@pytest.mark.parametrize(
    ("backbone", "accelerator", "flags", "gpu", "expected"),
    [
        ("conv", "auto", {"avx512_bf16", "fpu"}, None, "bf16-mixed"),
        ("conv", "cpu", {"amx_bf16"}, True, "bf16-mixed"),
        ("residual", "gpu", set(), True, "bf16-mixed"),
        ("residual", "cpu", {"avx512_bf16"}, None, "32-true"),
        ("conv", "cpu", {"avx2"}, True, "32-true"),
        ("conv", "auto", {"avx512_bf16"}, False, "32-true"),  # a GPU without, whatever the processor has
        ("conv", "gpu", set(), True, "bf16-mixed"),
        ("conv", "mps", {"avx512_bf16"}, None, "32-true"),
        ("mlp", "auto", {"avx512_bf16"}, True, "32-true"),
    ],
)
def test_mixed_precision_where_it_was_measured_to_pay(
    backbone: str, accelerator: str, flags: set[str], gpu: bool | None, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "cpu_flags", lambda: flags)
    monkeypatch.setattr("torch.cuda.is_available", lambda: gpu is not None)
    monkeypatch.setattr("torch.cuda.is_bf16_supported", lambda including_emulation: gpu and not including_emulation)
    monkeypatch.setattr("torch.backends.mps.is_available", lambda: False)
    assert default_precision(backbone, accelerator) == expected


def test_flags_of_the_processor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    info = tmp_path / "cpuinfo"
    info.write_text("processor\t: 0\nflags\t\t: fpu avx512_bf16\nvmx flags\t: other\n\nprocessor\t: 1\n")
    monkeypatch.setattr(machine, "CPU_INFO", info)
    assert machine.cpu_flags() == {"fpu", "avx512_bf16"}
    monkeypatch.setattr(machine, "CPU_INFO", tmp_path / "none")
    assert machine.cpu_flags() == set()


def fit(*arguments: str) -> dict:
    """Settings that a run of one step on the bundled digits has written down."""
    few = ["--trainer.max_steps", "1", "--trainer.limit_val_batches", "1", "--figures.every_n_epochs", "0"]
    conv = ["--model", "UGVAE", "--model.backbone", "conv", "--data", "DigitsDataModule", "--data.image_size", "8"]
    main(["fit", "--trainer.accelerator", "cpu", *conv, *few, *arguments])
    newest = max(Path("lightning_logs/DigitsDataModule").iterdir(), key=lambda path: int(path.name.split("_")[1]))
    return yaml.safe_load((newest / "config.yaml").read_text())


def test_the_choice_is_written_down_and_overridable(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "cpu_flags", lambda: {"avx512_bf16"})
    before = torch.get_float32_matmul_precision()
    try:
        chosen = fit()
        assert (chosen["trainer"]["precision"], chosen["matmul_precision"]) == ("bf16-mixed", "high")
        stated = fit("--trainer.precision", "32-true", "--matmul_precision", "medium")
        assert (stated["trainer"]["precision"], stated["matmul_precision"]) == ("32-true", "medium")
        assert torch.get_float32_matmul_precision() == "medium"
    finally:
        torch.set_float32_matmul_precision(before)


@pytest.mark.parametrize(
    ("backbone", "shape"), [("mlp", (1, 28, 28)), ("conv", (3, 32, 32)), ("residual", (3, 16, 24))]
)
@pytest.mark.parametrize("way", ["bfloat16", "medium"])
def test_reduced_precision_is_near_float32(way: str, backbone: str, shape: tuple[int, int, int]) -> None:
    """Terms within 1 % of each or half a nat, the gradient within 10 % of its norm; of −ELBO hundreds of nats."""
    torch.manual_seed(0)
    model = UGVAE(shape, z_dim=5, beta_dim=6, num_components=4, backbone=backbone)
    images = torch.randint(256, (4, 16, *shape), dtype=torch.uint8)
    noise = torch.randn(4, 16, 5), torch.randn(4, 6)

    def terms_and_gradient(autocast: bool) -> tuple[torch.Tensor, torch.Tensor]:
        model.zero_grad()
        with fixed_noise(*noise), torch.autocast("cpu", torch.bfloat16) if autocast else nullcontext():
            loss, terms = model.training_outputs(images)
        loss.backward()
        return terms.values, torch.cat([parameter.grad.flatten() for parameter in model.parameters()])

    expected_terms, expected_gradient = terms_and_gradient(False)
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("medium" if way == "medium" else before)
    try:
        terms, gradient = terms_and_gradient(way == "bfloat16")
    finally:
        torch.set_float32_matmul_precision(before)
    assert terms.dtype == gradient.dtype == torch.float32
    torch.testing.assert_close(terms, expected_terms, rtol=0.01, atol=0.5)
    assert (gradient - expected_gradient).norm() < 0.1 * expected_gradient.norm()


@pytest.mark.slow
@pytest.mark.skipif(not can_compile(), reason="torch.compile needs a C++ compiler")
@pytest.mark.parametrize(("backbone", "shape"), [("mlp", (1, 28, 28)), ("conv", (3, 16, 16))])
def test_compiled_step_is_that_of_eager(backbone: str, shape: tuple[int, int, int]) -> None:
    """Loss, terms and gradients to float32 rounding, with the same noise."""
    sizes = {"z_dim": 5, "beta_dim": 6, "num_components": 4, "backbone": backbone}
    eager, compiled = (UGVAE(shape, **sizes, compile=compile) for compile in (False, True))
    compiled.load_state_dict(eager.state_dict())
    images = torch.randint(256, (4, 16, *shape), dtype=torch.uint8)
    results = []
    with torch._inductor.config.patch(fallback_random=True):  # eager's generator, not one of its own
        for model in (eager, compiled):
            torch.manual_seed(0)
            loss, terms = model.training_outputs(images)
            loss.backward()
            results.append((loss.detach(), terms.values, [parameter.grad for parameter in model.parameters()]))
    torch.testing.assert_close(results[1], results[0], rtol=1e-3, atol=1e-3)


DENORMALS = """
import torch
from ugvae.machine import prepare_process
prepare_process()
torch.set_num_threads(2)
parameter = torch.ones(200_000, requires_grad=True)
optimizer = torch.optim.Adam([parameter], fused=True)
parameter.grad = torch.full_like(parameter, 1e-37)
for _ in range(200):
    optimizer.step()
    parameter.grad.zero_()
moments = optimizer.state[parameter]["exp_avg"].abs()
torch.set_flush_denormal(False)
print(((moments > 0) & (moments < torch.finfo(torch.float32).tiny)).sum().item())
"""


@pytest.mark.skipif(not torch.set_flush_denormal(False), reason="the processor cannot flush denormal numbers")
def test_moments_without_gradient_fall_to_zero() -> None:
    def denormals(script: str) -> int:
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
        return int(done.stdout)

    assert denormals(DENORMALS) == 0
    assert denormals(DENORMALS.replace("prepare_process()\ntorch", "torch")) == 200_000
