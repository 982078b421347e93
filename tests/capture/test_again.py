"""Nets that keep something from one call to the next, hooks that raise, modules that are not run: a line each."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, partial, wraps
from typing import Any

import pytest
import torch
from torch import nn

import rftools as rf
from rftools.capture import capture

SIZE = (1, 9)


class Net(nn.Module):
    """Two convolutions, a counter, a buffer and a memory, and a function that uses them."""

    def __init__(self, function: Callable[[Any, torch.Tensor], torch.Tensor]) -> None:
        super().__init__()
        self.function = function
        self.small, self.large = nn.Conv1d(1, 1, 3, padding=1), nn.Conv1d(1, 1, 5, padding=2)
        self.count, self.kept = 0, None
        self.register_buffer("calls", torch.zeros((), dtype=torch.long))
        self.register_buffer("gate", torch.zeros(9))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.function(self, x)


def _counter(net: Net, x: torch.Tensor) -> torch.Tensor:
    net.count += 1
    return net.small(x) if net.count % 2 else net.large(x)


def _counting_buffer(net: Net, x: torch.Tensor) -> torch.Tensor:
    net.calls += 1  # type: ignore[operator]
    return net.small(x) if net.calls % 2 else net.large(x)


def _memory(net: Net, x: torch.Tensor) -> torch.Tensor:
    y = net.small(x)
    y = y if net.kept is None else y + net.kept.mean(-1, keepdim=True)
    net.kept = y.detach()
    return y


def _once(net: Net, x: torch.Tensor) -> torch.Tensor:
    net.count += 1
    if net.count > 1:
        raise OSError("only once")
    return net.small(x)


@pytest.mark.parametrize("function", [_counter, _counting_buffer, _memory])
def test_another_path_in_the_second_call_is_one_line(function: Any) -> None:
    net = Net(function)
    with pytest.raises(rf.RequestError, match="Net takes another path when it is called a second time, by what"):
        capture(net, SIZE)
    assert (net.count, net.kept, int(net.calls)) == (0, None, 0)  # type: ignore[call-overload]


def test_a_second_call_that_fails_is_one_line() -> None:
    net = Net(_once)
    with pytest.raises(rf.RequestError, match="Net fails when it is called a second time: only once"):
        capture(net, SIZE)
    assert net.count == 0


def _counted(net: Net, x: torch.Tensor) -> torch.Tensor:
    net.count += 1
    return net.small(x)


def _made_once(net: Net, x: torch.Tensor) -> torch.Tensor:
    if net.kept is None:
        net.kept = torch.ones(9)
    return net.small(x) * net.kept


def _made_of_the_shape(net: Net, x: torch.Tensor) -> torch.Tensor:
    """As a detector keeps its anchors for the last shape it saw."""
    y = net.small(x)
    if net.kept is None:
        net.kept = torch.cat([y.new_full((4,), 2.0), torch.ones_like(y[0, 0, :5])])
    return y * net.kept


@pytest.mark.parametrize("function", [_counted, _made_once, _made_of_the_shape])
def test_state_that_changes_no_path_is_taken(function: Any) -> None:
    assert rf.theoretical(Net(function), SIZE)[""].axes[0].size == 3


@pytest.mark.parametrize("write", [lambda gate: gate.fill_(1.0), lambda gate: gate[2:].add_(1.0)])
def test_a_buffer_that_the_net_writes_is_no_constant(write: Any) -> None:
    """Zero in the first call, so that nothing of the neighbour is seen there; from the second on it is."""

    def opens(net: Net, x: torch.Tensor) -> torch.Tensor:
        y = x + net.gate * x.roll(1, -1)
        write(net.gate)
        return y

    assert rf.theoretical(Net(opens), SIZE)[""].axes[0].support == (3, 4)
    assert rf.theoretical(Net(lambda net, x: x + net.gate * x.roll(1, -1)), SIZE)[""].axes[0].support == (4,)


class Raising:
    def __call__(self, *_: Any) -> None:
        raise KeyError("lost")

    def method(self, *_: Any) -> None:
        raise KeyError("lost")


def _raises(text: str, *_: Any) -> None:
    raise ValueError(text)


@pytest.mark.parametrize("hook, said", [
    (partial(_raises, "worn out"), "'_raises' of small raises ValueError: worn out"),
    (Raising(), "'__call__' of small raises KeyError: 'lost'"),
    (Raising().method, "'method' of small raises KeyError: 'lost'"),
])  # fmt: skip
@pytest.mark.parametrize("before", [False, True])
def test_a_hook_that_raises_is_named(hook: Any, said: str, before: bool) -> None:
    net = Net(lambda net, x: net.small(x))
    (net.small.register_forward_pre_hook if before else net.small.register_forward_hook)(hook)
    with pytest.raises(rf.RequestError) as caught:
        capture(net, SIZE)
    kind = "forward pre-hook" if before else "forward hook"
    assert str(caught.value) == f"the {kind} {said}; remove the hook, or mend it"


def test_a_unit_of_a_module_that_is_not_run_is_one_line() -> None:
    net = Net(lambda net, x: net.small(x))
    with pytest.raises(rf.RequestError, match="module 'large' is not run by the forward pass on this input; ask for"):
        rf.theoretical(net, SIZE, unit={"large": (3,)})
    with pytest.raises(rf.RequestError, match="no layer 'larg'"):
        rf.theoretical(net, SIZE, unit={"larg": (3,)})


class Alone(nn.Conv1d):
    def __deepcopy__(self, memo: Any) -> Any:
        raise TypeError("there is one of it")


def test_a_module_that_can_not_be_copied_has_fields() -> None:
    assert rf.theoretical(nn.Sequential(Alone(1, 1, 3)), SIZE)["0"].axes[0].size == 3


@lru_cache(maxsize=4)
def _weights(length: int, dtype: torch.dtype) -> torch.Tensor:
    return torch.linspace(1, 2, length, dtype=dtype)


def _remembered(function: Any) -> Any:
    """As the transformers library keeps the embeddings of places: a cache inside a decorated method."""
    cached = lru_cache(maxsize=1)(function)

    @wraps(function)
    def call(*given: Any) -> Any:
        return cached(*given)

    return call


class Remembering(nn.Module):
    """What it makes of a shape is kept in caches of functions, not in the module."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv1d(1, 1, 3, padding=1)

    @_remembered
    def places(self, length: int) -> torch.Tensor:
        return torch.arange(length) + self.conv.bias.detach()

    @staticmethod
    @lru_cache(maxsize=2)
    def scale(length: int) -> torch.Tensor:
        return torch.full((length,), 2.0)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        length = x.shape[-1]
        own = self.conv(x + self.places(length)) * self.scale(length)
        return own * _weights(length, x.dtype)


def test_caches_of_functions_hold_nothing_of_a_capture() -> None:
    net, x = Remembering().eval(), torch.randn(1, *SIZE)
    assert rf.theoretical(net, SIZE)[""].axes[0].size == 3  # its first call of all
    after = net(x)
    assert type(after) is torch.Tensor
    assert torch.isfinite(after).all()
    assert _weights.cache_info().currsize == 1
    rf.theoretical(net, SIZE)  # with caches that hold real tensors
    assert torch.equal(net(x), after)
