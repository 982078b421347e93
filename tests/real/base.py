"""Where real nets are listed: how each is made, and on which input."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

import rftools as rf
from rftools.trf import LayerField
from tests.perturbation import named_tensors
from tests.truth import SURE, Judged, judge


@dataclass(frozen=True)
class RealNet:
    """``make`` builds the net from a configuration, without a download; ``package`` has to be installed.

    ``folds``: a border mirrors the input, so that windows without borders hold less; ``faint``: masks of -100 close
    nothing.
    """

    make: Callable[[], nn.Module]
    size: tuple[int, ...]
    package: str = "torch"
    quick: bool = False  # part of the default suite
    folds: bool = False
    faint: bool = False


NETS: dict[str, RealNet] = {}


def net(
    name: str,
    size: tuple[int, ...],
    package: str = "torch",
    *,
    quick: bool = False,
    folds: bool = False,
    faint: bool = False,
) -> Callable[[Any], Any]:
    """Register the function that follows as the one that makes a net."""

    def register(make: Callable[[], nn.Module]) -> Callable[[], nn.Module]:
        assert name not in NETS, name
        NETS[name] = RealNet(make, size, package, quick, folds, faint)
        return make

    return register


def made(name: str) -> nn.Module:
    """A net with weights that are the same each time, in double precision and evaluation mode.

    Parameters have any value: those that begin at zero (a scale of a residual branch) would close their paths here.
    """
    torch.manual_seed(0)
    module = NETS[name].make().double().eval()
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for weight in module.parameters():
            if weight.is_floating_point() and not bool(weight.any()):
                weight.add_(0.2 * torch.randn(weight.shape, generator=generator, dtype=weight.dtype))
    return module


def loud(model: nn.Module, *parts: str, by: float = 150) -> nn.Module:
    """With larger weights where a name ends in one of ``parts``, so that scores get over what they are weighed against.

    A path that opens for rare weights and inputs only is a path, which changes of an input have to find here.
    """
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if name.endswith(tuple(f"{part}.weight" for part in parts)):
                weight.mul_(by)
    return model


class Sequence(nn.Module):
    """A model of the transformers library on embedded tokens ``(N, C, L)``; ``names`` say which output is returned."""

    def __init__(self, model: nn.Module, name: str = "last_hidden_state", **options: Any) -> None:
        super().__init__()
        self.model = model
        self.name = name
        self.options = options

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        found = self.model(inputs_embeds=x.transpose(1, 2), **self.options)
        return getattr(found, self.name).transpose(1, 2)


class Outputs(nn.Module):
    """A model of the transformers library on images or sounds, with what it returns of tensors by name."""

    def __init__(self, model: nn.Module, *names: str, given: str = "pixel_values") -> None:
        super().__init__()
        self.model = model
        self.names = names
        self.given = given

    def forward(self, x: torch.Tensor) -> Any:
        found = self.model(**{self.given: x})
        return {name: getattr(found, name) for name in self.names}


@dataclass(frozen=True)
class Found:
    """What came of a net: all its rows, those that were judged, and what its module was before and is not any more."""

    rows: list[LayerField]
    judged: Judged
    changed: list[str]

    @property
    def wrong(self) -> list[str]:
        return [*map(str, self.judged.wrong), *(f"changed: {what}" for what in self.changed)]

    def count(self, status: str) -> int:
        return sum(row.status == status for row in self.rows)

    def unsure(self) -> Iterator[tuple[str, LayerField, int]]:
        """For every reason the first row that has it, and how many do; of bounds the operator of the first one."""
        first: dict[tuple[str, str], LayerField] = {}
        count: Counter[tuple[str, str]] = Counter()
        for row in self.rows:
            if row.status not in SURE:
                key = (row.status, row.cause or "")
                first.setdefault(key, row)
                count[key] += 1
        for (status, cause), row in first.items():
            yield cause or f"{status} from {row.op} on", row, count[status, cause]


def judged(name: str, most: int = 60) -> Found:
    """The rows of a net, some of them against what moves."""
    own, module = NETS[name], made(name)
    x = torch.randn((1, *own.size), dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    before = state_of(module)
    rows = list(rf.theoretical(module, own.size))  # its first call of all
    changed = _differences(before, state_of(module))
    if not _same(_output(module, x), _output(made(name), x)):
        changed.append("the output is another one")
    bases = 1 if len(own.size) > 2 else 2  # maps have more rows
    return Found(rows, judge(module, own.size, folds=own.folds, most=most, bases=bases, faint=own.faint), changed)


def state_of(module: nn.Module) -> dict[str, Any]:
    """Everything that a module holds: attributes, parameters and buffers with their values, hooks, modes."""
    found: dict[str, Any] = {}
    for path, child in module.named_modules():
        found[f"{path} class"] = type(child)
        for key, value in child.__dict__.items():
            found[f"{path}.{key}"] = _described(value)
    return found


def _described(value: Any) -> Any:
    """What tells whether a value is the same object with the same content."""
    if isinstance(value, torch.Tensor):
        return id(value), value.requires_grad, value.grad is None, tuple(value.shape), value.detach().numpy().tobytes()
    if isinstance(value, dict):
        return id(value), {key: _described(item) for key, item in value.items()}
    if isinstance(value, (set, frozenset)):
        return sorted(map(repr, value))
    if isinstance(value, (list, tuple)):
        return [_described(item) for item in value]
    return value if isinstance(value, (bool, int, float, str, type(None))) else id(value)


def _differences(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    return [key for key in {**before, **after} if before.get(key, "none") != after.get(key, "none")]


def _output(module: nn.Module, x: torch.Tensor) -> dict[str, torch.Tensor]:
    with torch.no_grad():
        return dict(named_tensors("", module(x)))


def _same(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> bool:
    return first.keys() == second.keys() and all(torch.equal(first[key], second[key]) for key in first)
