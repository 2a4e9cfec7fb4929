"""The products of float32 by oneDNN, on whatever processor: values, gradients, and where they are used."""

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from ugvae.networks import products
from ugvae.networks.products import OneDNNLinear, WideLinear, onednn_is_faster, opaque_product

needs_onednn = pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason="torch has no oneDNN")


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[Tensor]:
    """Makes this a processor on which oneDNN is used; the list gets what was computed by it."""
    computed, apply = [], OneDNNLinear.apply
    monkeypatch.setattr(products, "onednn_is_faster", lambda: True)
    monkeypatch.setattr(OneDNNLinear, "apply", lambda *arguments: computed.append(apply(*arguments)) or computed[-1])
    return computed


@pytest.mark.parametrize(
    ("vendor", "flags", "faster"),
    [
        ("AuthenticAMD", {"avx2", "avx512f"}, True),
        ("AuthenticAMD", {"avx2"}, False),
        ("GenuineIntel", {"avx2", "avx512f"}, False),
        ("", set(), False),
    ],
)
def test_where_onednn_is_faster(vendor: str, flags: set[str], faster: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(products, "cpu_model", lambda: vendor)
    monkeypatch.setattr(products, "cpu_flags", lambda: flags)
    monkeypatch.setattr("torch.backends.mkl.is_available", lambda: True)
    monkeypatch.setattr("torch.backends.mkldnn.is_available", lambda: True)
    assert onednn_is_faster() == faster
    for library in ("mkl", "mkldnn"):
        with monkeypatch.context() as without:
            without.setattr(f"torch.backends.{library}.is_available", lambda: False)
            assert not onednn_is_faster()


@needs_onednn
@pytest.mark.parametrize(("rows", "features", "outputs"), [(1, 5, 3), (7, 64, 33), (128, 784, 256)])
@pytest.mark.parametrize("input_learns", [False, True])
def test_values_and_gradients_are_those_of_torch(
    rows: int, features: int, outputs: int, input_learns: bool, calls: list[Tensor]
) -> None:
    torch.manual_seed(0)
    layer, exact = WideLinear(features, outputs), torch.nn.Linear(features, outputs).double()
    exact.load_state_dict(layer.state_dict())  # the same parameters, so checkpoints do not depend on the way
    inputs, weights = torch.randn(rows, features), torch.randn(rows, outputs)
    found, expected = inputs.requires_grad_(input_learns), inputs.detach().double().requires_grad_(input_learns)
    output, reference = layer(found), exact(expected)
    assert len(calls) == 1
    close = {"rtol": 1e-5, "atol": 1e-4}  # of sums of up to 784 terms near 1
    assert_close(output.double(), reference, **close)
    (output * weights).sum().backward()
    (reference * weights).sum().backward()
    assert_close(layer.weight.grad.double(), exact.weight.grad, **close)
    assert_close(layer.bias.grad.double(), exact.bias.grad, **close)
    assert layer.weight.grad.is_contiguous()  # as the weight: the optimiser walks along both
    if input_learns:
        assert_close(found.grad.double(), expected.grad, **close)


@needs_onednn
def test_only_float32_on_a_cpu_goes_that_way(calls: list[Tensor]) -> None:
    layer = WideLinear(4, 3)
    with torch.autocast("cpu", torch.bfloat16):
        assert layer(torch.ones(2, 4)).dtype == torch.bfloat16
    assert layer.double()(torch.ones(2, 4).double()).dtype == torch.float64
    assert layer.to("meta")(torch.ones(2, 4, device="meta").double()).device.type == "meta"
    assert not calls
    assert layer.to_empty(device="cpu").float()(torch.ones(2, 4)).dtype == torch.float32
    assert len(calls) == 1


@needs_onednn
def test_product_is_an_operator_that_torch_can_trace() -> None:
    left, right, bias = torch.randn(3, 4), torch.randn(5, 4), torch.randn(5)
    torch.library.opcheck(opaque_product, (left, right, bias), test_utils=("test_schema", "test_faketensor"))
    torch.library.opcheck(opaque_product, (left.T, right[:, :3], None), test_utils=("test_schema", "test_faketensor"))
    assert_close(opaque_product(left, right, bias), left @ right.T + bias)
