"""The quick way to a graph against the slow one, and that it stands back wherever a net could do something else."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import fx, nn

import rftools as rf
from rftools.capture import Graph, capture, export
from rftools.capture.inputs import example_of
from rftools.capture.trace import trace
from tests.random_nets import INPUT, draw_net

SIZE = (3, 8, 8)
FLAGS = ("batch_norm", "layer_norm")  # the last argument allows cuDNN; an export never does


def exported(module: nn.Module, size: tuple[int, ...]) -> Graph:
    """The same graph by ``torch.export``."""
    example = example_of(module, [size])
    with export.evaluating(module), export._quiet(), export._plain_attention():
        return export._by_export(module, example)


def operators(graph: Graph) -> list[tuple[Any, ...]]:
    """Operators with their arguments, operands by their number."""
    number = {node: place for place, node in enumerate(graph.nodes)}

    def plain(value: Any) -> Any:
        if isinstance(value, fx.Node):
            return number[value] if value in number else f"constant {tuple(value.meta['val'].shape)}"
        if isinstance(value, (list, tuple)):
            return [plain(item) for item in value]
        return {key: plain(item) for key, item in value.items()} if isinstance(value, dict) else repr(value)

    def arguments(node: fx.Node) -> tuple[Any, ...]:
        flags = any(str(node.target).startswith(f"aten.{name}.") for name in FLAGS)
        return node.args[: 4 if "layer" in str(node.target) else 8] if flags else node.args

    return [(str(node.target), plain(arguments(node)), plain(node.kwargs)) for node in graph.nodes]


def layers(graph: Graph) -> list[tuple[str, str, str | None]]:
    return [(layer.name, layer.op, layer.module) for layer in graph.layers]


def fields(module: nn.Module, size: tuple[int, ...], graph: Graph) -> dict[str, Any]:
    found = rf.theoretical(module, input_size=size, graph=graph)
    return {row.name: (row.status, row.output_shape, row.axes, row.unit) for row in found if "/" not in row.name}


def same(module: nn.Module, size: tuple[int, ...]) -> str:
    """How the two graphs agree: in every operator, or in the fields of all modules where the slow way took some apart.

    A net that is not traced has nothing to agree in.
    """
    module.eval()
    quick, slow = capture(module, size), exported(module, size)
    if quick.method != "trace":
        return "not traced"
    if operators(quick) == operators(slow):
        assert layers(quick) == layers(slow)
        return "operators"
    agree(fields(module, size, quick), fields(module, size, slow))
    return "fields"


def agree(quick: dict[str, Any], slow: dict[str, Any]) -> None:
    """All rows of the slow way are the quick one's; the slow one loses dropouts where it takes operators apart."""
    assert {name: quick.get(name) for name in slow} == slow


SAMPLE = {"resnet18": "operators", "densenet121": "operators", "shufflenet_v2_x0_5": "operators", "swin_t": "fields"}


@pytest.mark.parametrize("name", SAMPLE)
def test_the_graph_is_that_of_an_export(name: str) -> None:
    models = pytest.importorskip("torchvision.models")
    assert same(models.get_model(name, weights=None), (3, 64, 64)) == SAMPLE[name]


@pytest.mark.slow
def test_the_graphs_of_all_of_torchvision() -> None:
    models = pytest.importorskip("torchvision.models")
    names = models.list_models(models)
    found = {name: same(models.get_model(name, weights=None), (3, 224, 224)) for name in names}
    assert "not traced" not in found.values()


@pytest.mark.parametrize("seed", range(12))
def test_the_graphs_of_random_nets(seed: int) -> None:
    net = draw_net(seed)
    assert same(net, INPUT[net.rank]) in {"operators", "fields"}


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(12, 300))
def test_the_graphs_of_many_random_nets(seed: int) -> None:
    net = draw_net(seed)
    assert same(net, INPUT[net.rank]) in {"operators", "fields"}


class Net(nn.Module):
    """A convolution, then whatever ``function`` does."""

    def __init__(self, function: Callable[[Any, torch.Tensor], Any]) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 3, padding=1)
        self.function = function
        self.kept = torch.arange(3.0).reshape(3, 1, 1)  # a tensor that is no buffer

    def forward(self, x: torch.Tensor) -> Any:
        return self.function(self, self.conv(x))


class Own(torch.autograd.Function):
    """An operator with a gradient of its own."""

    @staticmethod
    def forward(context: Any, x: torch.Tensor) -> torch.Tensor:
        return x.flip(-1)

    @staticmethod
    def backward(context: Any, gradient: torch.Tensor) -> torch.Tensor:  # type: ignore[override]
        return gradient.flip(-1)


def _caught(net: Net, x: torch.Tensor) -> torch.Tensor:
    """A value that is read, by a net which goes another way where it can't be."""
    try:
        return x * float(x.mean())
    except Exception:
        return x


def _without_gradient(net: Net, x: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        return x.tanh()


def _other_precision(net: Net, x: torch.Tensor) -> torch.Tensor:
    with torch.autocast("cpu", torch.bfloat16):
        return net.conv(x).float()


STANDS_BACK: dict[str, Callable[[Any, torch.Tensor], Any]] = {
    "branch": lambda net, x: x if bool(x.sum() > -1e9) else -x,
    "item": lambda net, x: x * x.mean().item(),
    "tolist": lambda net, x: x * x.mean((0, 1, 2, 3)).reshape(1).tolist()[0],
    "numpy": lambda net, x: torch.from_numpy(x.detach().numpy()[:, ::-1].copy()).tanh(),
    "caught": _caught,
    "a weight's value": lambda net, x: x * net.conv.weight.max().item(),
    "a shape from data": lambda net, x: x.flatten()[x.flatten() > 0].sum() + x,
    "a tensor's data": lambda net, x: x.data.tanh(),
    "without gradient": _without_gradient,
    "other precision": _other_precision,
    "own operator": lambda net, x: Own.apply(x),
    "Python's random numbers": lambda net, x: x * random.random(),
    "equal": lambda net, x: x if torch.equal(x, x + 1) else -x,
}


@pytest.mark.parametrize("name", STANDS_BACK)
def test_it_stands_back(name: str) -> None:
    """Where a value is read, gradients stop or precision changes, the slow ways answer as they did."""
    net = Net(STANDS_BACK[name]).eval()
    try:
        assert capture(net, SIZE).method != "trace"
    except rf.RequestError:  # another path from run to run
        assert name == "Python's random numbers"


TRACED: dict[str, Callable[[Any, torch.Tensor], Any]] = {
    "a tensor that is no buffer": lambda net, x: x + net.kept,
    "a literal": lambda net, x: x * torch.tensor([1.0, 0.0, 2.0]).reshape(3, 1, 1),
    "a write": lambda net, x: x.clone().index_fill_(1, torch.tensor([0]), 0.0),
    "a write into a view": lambda net, x: _written(x),
    "a write that is read under its old name": lambda net, x: (lambda y: y.relu_() + y)(x + 1),
    "two names": lambda net, x: nn.functional.conv2d(x, net.conv.weight) + nn.functional.conv2d(x, net.conv.weight),
}


def _written(x: torch.Tensor) -> torch.Tensor:
    y = x.clone()
    y[:, :, 2:4] = 0
    return y.tanh()


@pytest.mark.parametrize("name", TRACED)
def test_it_sees_what_an_export_sees(name: str) -> None:
    net = Net(TRACED[name]).eval()
    quick = capture(net, SIZE)
    assert quick.method == "trace"
    agree(fields(net, SIZE, quick), fields(net, SIZE, exported(net, SIZE)))


def test_a_module_keeps_its_tensors() -> None:
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(inplace=True)).eval()
    before = {name: (tensor, tensor.clone()) for name, tensor in net.state_dict(keep_vars=True).items()}
    graph = trace(net, example_of(net, [SIZE]))
    for name, tensor in net.state_dict(keep_vars=True).items():
        assert tensor is before[name][0]
        assert torch.equal(tensor, before[name][1])
    own = {id(tensor) for tensor in net.state_dict(keep_vars=True).values()}
    assert {id(tensor) for tensor in graph.constants.values()} <= own
    assert all(parameter.requires_grad for parameter in net.parameters())
