"""What a CPU can say of a run on a GPU: no step waits for the device, no graph breaks, tables move there if they fit.

FakeTensorMode computes shapes, types and devices alone, also those of a GPU that is not there; whatever needs a value
on the host, such as ``.item()``, raises.
"""

from collections.abc import Callable
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor
from torch._subclasses.fake_tensor import DataDependentOutputException, FakeTensorMode

from tests.helpers.small_models import every_model, make
from ugvae.data.module import GroupDataModule, fits
from ugvae.data.table import ConcatImages, GroupDataset, ImageTable
from ugvae.models import UGVAE, BaseVAE, Bound
from ugvae.models.metrics import BoundMetric
from ugvae.models.optim import clip_by_norm
from ugvae.networks.likelihoods import LIKELIHOODS

GPU, SHAPE = torch.device("cuda", 0), (3, 8, 8)


def move_to_fake_gpu(model: BaseVAE) -> None:
    """Weights and buffers without values; ``model.to`` cannot make these."""

    def fake(tensor: Tensor) -> Tensor:
        return torch.empty_strided(tensor.shape, tensor.stride(), dtype=tensor.dtype, device=GPU)

    for module in model.modules():
        for name, parameter in module._parameters.items():
            module._parameters[name] = None if parameter is None else torch.nn.Parameter(fake(parameter))
        for name, buffer in module._buffers.items():
            module._buffers[name] = fake(buffer)


def train_on_fake_gpu(make_model: Callable[[], BaseVAE], precision: torch.dtype | None) -> None:
    """A step as training does it, on a GPU that is not there."""
    model = make_model()
    with FakeTensorMode():
        move_to_fake_gpu(model)
        optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, fused=True)
        images = torch.empty(3, 4, *model.image_shape, dtype=torch.uint8, device=GPU)
        metric = BoundMetric()
        with torch.autocast("cuda", precision or torch.bfloat16, enabled=precision is not None):
            loss, sums = model.training_outputs(images)
        metric.update(sums, torch.empty(3, 4, dtype=torch.int64, device=GPU))
        for parameter in model.parameters():  # autograd's engine needs a real device; its formulas are torch's own
            parameter.grad = torch.empty_like(parameter)
        clip_by_norm(optimizer, 1.0)
        optimizer.step()
        assert sums.values.device == GPU
        assert sums.values.dtype == loss.dtype == torch.float32  # densities, also under autocast


@pytest.mark.parametrize("precision", [None, torch.bfloat16])
@pytest.mark.parametrize("backbone", ["mlp", "conv", "residual"])
@every_model
def test_no_step_waits_for_the_device(model_class: type[BaseVAE], backbone: str, precision: torch.dtype | None) -> None:
    train_on_fake_gpu(lambda: make(model_class, SHAPE, double=False, backbone=backbone).train(), precision)


def test_a_step_that_waits_is_found() -> None:
    class Waits(UGVAE):
        def _bound(self, images: Tensor, mask: Tensor | None = None) -> Bound:
            if images.mean() > 0.5:
                raise ValueError
            return super()._bound(images, mask)

    with pytest.raises(DataDependentOutputException):
        train_on_fake_gpu(lambda: make(Waits, SHAPE, double=False), None)


@pytest.mark.parametrize("backbone", ["mlp", "conv"])
@every_model
def test_a_step_is_one_graph_and_compiled_once(model_class: type[BaseVAE], backbone: str) -> None:
    assert_one_graph(make(model_class, SHAPE, double=False, backbone=backbone))


@pytest.mark.parametrize("likelihood", LIKELIHOODS)
def test_a_step_of_other_networks_is_one_graph(likelihood: str) -> None:
    settings = {"double": False, "backbone": "residual", "width": 8, "likelihood": likelihood}
    train_on_fake_gpu(lambda: make(UGVAE, SHAPE, **settings).train(), torch.bfloat16)
    assert_one_graph(make(UGVAE, SHAPE, **settings))


def assert_one_graph(model: BaseVAE) -> None:
    graphs = []

    def count(graph: torch.fx.GraphModule, example: list[Tensor]) -> Callable:
        graphs.append(graph)
        return graph.forward

    torch._dynamo.reset()
    compiled = torch.compile(model.training_outputs, backend=count, fullgraph=True)
    for seed in range(3):
        images = torch.randint(256, (3, 4, *model.image_shape), dtype=torch.uint8)
        torch.manual_seed(seed)
        loss, sums = compiled(images)
        torch.manual_seed(seed)
        expected, expected_sums = model._training_outputs(images)
        torch.testing.assert_close(loss, expected, rtol=1e-4, atol=1e-3)
        torch.testing.assert_close(sums.values, expected_sums.values, rtol=1e-4, atol=1e-3)
    assert len(graphs) == 1


def table(count: int = 6) -> ImageTable:
    images = torch.arange(count, dtype=torch.uint8).view(-1, 1, 1, 1).expand(-1, 1, 2, 2).contiguous()
    return ImageTable(images, {"label": torch.arange(count)})


def test_tables_go_to_a_gpu_with_room(monkeypatch: pytest.MonkeyPatch) -> None:
    images = table(6).images  # 24 bytes
    monkeypatch.setattr("torch.cuda.mem_get_info", lambda device: (96, 1000))
    assert fits(images, GPU)
    monkeypatch.setattr("torch.cuda.mem_get_info", lambda device: (95, 1000))
    assert not fits(images, GPU)
    assert not fits(images, torch.device("cpu"))
    assert not fits(ConcatImages([images, images]), GPU)


def test_batches_are_made_where_the_table_is() -> None:
    rows = torch.tensor([[3, 1], [0, 5]])
    here = GroupDataset(table())[rows]
    there = GroupDataset(table().to("meta"))[rows]
    assert here["image"][:, :, 0, 0, 0].tolist() == rows.tolist()
    assert here.keys() == there.keys() == {"image", "index", "label"}
    for name, value in there.items():
        assert value.device.type == "meta"
        assert value.shape == here[name].shape
        assert value.dtype == here[name].dtype


class Six(GroupDataModule):
    def read_split(self, split: str) -> ImageTable:
        return table()


@pytest.mark.parametrize(("room", "workers", "device"), [(10**9, 0, "meta"), (10, 0, "cpu"), (10**9, 1, "cpu")])
def test_the_loader_uses_the_gpu_where_the_table_fits(
    room: int, workers: int, device: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.cuda.mem_get_info", lambda device: (room, room))
    moved, to = [], ImageTable.to
    monkeypatch.setattr(ImageTable, "to", lambda self, device: moved.append(self) or to(self, "meta"))
    data = Six("unused", image_size=2, group_size=2, groups_per_batch=1, num_workers=workers)
    data.trainer = SimpleNamespace(strategy=SimpleNamespace(root_device=GPU))
    for _ in range(2):
        assert data.loader("train").dataset.table.images.device.type == device
    assert len(moved) == (device == "meta")  # once, not for every loader
    assert data.table("train").images.device.type == "cpu"  # figures and reports read it there
