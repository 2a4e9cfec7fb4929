"""The optimiser against torch's, bit for bit."""

import copy
import pickle

import pytest
import torch
from torch.nn import Parameter
from torch.optim import Adam, Optimizer

from ugvae.models.optim import FusedAdam

SHAPES = [(3, 4), (5,), (2, 1, 3)]


def parameters() -> list[Parameter]:
    generator = torch.Generator().manual_seed(0)
    return [Parameter(torch.randn(shape, generator=generator)) for shape in SHAPES]


def pair() -> tuple[FusedAdam, Adam]:
    return FusedAdam(parameters(), lr=0.01), Adam(parameters(), lr=0.01, fused=True)


def step(optimizer: Optimizer, number: int, without: int | None = None) -> None:
    """One step with gradients that depend on its number alone; one parameter may have none."""
    generator = torch.Generator().manual_seed(number)
    for position, parameter in enumerate(optimizer.param_groups[0]["params"]):
        gradient = torch.randn(parameter.shape, generator=generator)
        parameter.grad = None if position == without else gradient
    optimizer.step()


def assert_same(ours: Optimizer, theirs: Optimizer) -> None:
    for found, expected in zip(*(each.param_groups[0]["params"] for each in (ours, theirs)), strict=True):
        assert torch.equal(found, expected)
    found, expected = ours.state_dict(), theirs.state_dict()
    assert found["param_groups"] == expected["param_groups"]
    assert found["state"].keys() == expected["state"].keys()
    for number, state in expected["state"].items():
        assert found["state"][number].keys() == state.keys()
        assert all(torch.equal(found["state"][number][name], value) for name, value in state.items())


@pytest.mark.parametrize("missing", [{}, {0: 1}, {0: 1, 1: 0, 3: 2}, {2: 0}, dict.fromkeys(range(6), 1)])
def test_steps_are_those_of_torch(missing: dict[int, int]) -> None:
    """Also where a parameter has no gradient at some steps, so that the parameters' counts of steps differ."""
    ours, theirs = pair()
    for number in range(6):
        for optimizer in (ours, theirs):
            optimizer.param_groups[0]["lr"] = 0.01 / (number + 1)  # as a schedule does
            step(optimizer, number, missing.get(number))
        assert_same(ours, theirs)


def test_torch_is_asked_only_where_the_state_is_new_or_a_gradient_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, _ = pair()
    asked, torchs = [], Adam.step
    monkeypatch.setattr(Adam, "step", lambda self, closure=None: asked.append(1) or torchs(self, closure))
    for number, without in enumerate((None, None, 1, None, None)):
        step(ours, number, without)
    assert len(asked) == 2
    ours.load_state_dict(copy.deepcopy(ours.state_dict()))
    step(ours, 5)
    step(ours, 6)
    assert len(asked) == 3


def test_either_goes_on_from_the_state_of_the_other() -> None:
    ours, theirs = pair()
    for optimizer in (ours, theirs):
        step(optimizer, 0)
        step(optimizer, 1)
    resumed = pair()
    for optimizer, source in zip(resumed, (theirs, ours), strict=True):
        step(optimizer, 5)  # has a state of its own before
        step(optimizer, 6)
        optimizer.load_state_dict(pickle.loads(pickle.dumps(source.state_dict())))
        for mine, other in zip(*(each.param_groups[0]["params"] for each in (optimizer, source)), strict=True):
            mine.data.copy_(other)
    for number in (2, 3):
        for optimizer in (ours, theirs, *resumed):
            step(optimizer, number)
        assert_same(ours, theirs)
        assert_same(resumed[0], theirs)
        assert_same(ours, resumed[1])


def test_a_copy_goes_its_own_way() -> None:
    ours, theirs = pair()
    for optimizer in (ours, theirs):
        step(optimizer, 0)
        step(optimizer, 1)
    other = copy.deepcopy(ours)
    step(other, 2)
    assert_same(ours, theirs)
    step(theirs, 2)
    assert_same(other, theirs)


def test_a_state_that_was_replaced_is_seen() -> None:
    """As Lightning does when it moves an optimiser to another device."""
    ours, theirs = pair()
    for optimizer in (ours, theirs):
        step(optimizer, 0)
        step(optimizer, 1)
        for parameter, state in optimizer.state.items():
            optimizer.state[parameter] = {name: value.clone() for name, value in state.items()}
        step(optimizer, 2)
        step(optimizer, 3)
    assert_same(ours, theirs)


def test_closure_is_called_with_gradients_and_its_loss_given_back() -> None:
    (parameter,) = found = [Parameter(torch.ones(2))]
    optimizer = FusedAdam(found, lr=0.1)

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        loss = parameter.square().sum()
        loss.backward()
        return loss

    losses = [optimizer.step(closure).item() for _ in range(3)]
    assert losses[0] == 2
    assert losses == sorted(losses, reverse=True)
    assert losses[2] < 1.5


def test_gradients_that_were_scaled_are_left_to_torch() -> None:
    """As torch's scaler for float16 asks: divided by the scale, and the whole step skipped if one is infinite."""
    ours, theirs = pair()
    for number, infinite in enumerate((0.0, 0.0, 1.0, 0.0)):
        for optimizer in (ours, theirs):
            optimizer.grad_scale, optimizer.found_inf = torch.tensor(8.0), torch.tensor(infinite)
            step(optimizer, number)
            del optimizer.grad_scale, optimizer.found_inf
        assert_same(ours, theirs)
    assert ours.state_dict()["state"][0]["step"] == 3
