"""Which single change of a net's settings gives its last map a field of a wanted size, and what it costs."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from rftools.arguments import checked
from rftools.errors import RequestError
from rftools.loading import Model, as_model
from rftools.results import Result, plain
from rftools.trf.api import theoretical
from rftools.trf.layer_field import LayerField
from rftools.trf.result import TheoreticalResult
from rftools.trf.whatif import Setting, numbers, with_settings

LARGEST = {"dilation": 64, "kernel_size": 31, "stride": 8}


@dataclass(frozen=True)
class Change:
    """One change, ``settings`` as ``--set`` takes them, and what it gives: the last map's field, output and stride,
    and the net's parameters and multiply-adds, each beside what they were.
    """

    name: str
    settings: tuple[str, ...]
    size: tuple[int, ...]
    stride: tuple[float, ...]
    output_shape: tuple[int, ...]
    parameters: int
    operations: int


@dataclass(frozen=True, repr=False)
class ReachResult(Result[Change]):
    """Single changes that give ``layer`` a field of ``target`` pixels or more, cheapest first; none: no such change."""

    SCHEMA: ClassVar[tuple[str, int]] = ("rftools.reach", 1)

    target: int = 0
    layer: str = ""
    size: tuple[int, ...] = ()
    parameters: int = 0
    operations: int = 0

    def _body(self) -> dict[str, Any]:
        now = {"size": self.size, "parameters": self.parameters, "operations": self.operations}
        return {"target": self.target, "layer": self.layer, "now": now, "changes": [plain(c) for c in self.layers]}

    def columns(self) -> tuple[str, ...]:
        return ("change", "field", "stride", "output", "parameters", "more", "operations", "times")

    def records(self) -> Sequence[Sequence[Any]]:
        return [
            (
                " ".join(f"--set {setting}" for setting in change.settings),
                "x".join(map(str, dict.fromkeys(change.size))),
                "x".join(f"{s:g}" for s in dict.fromkeys(change.stride)),
                "x".join(map(str, change.output_shape)),
                change.parameters,
                change.parameters - self.parameters,
                change.operations,
                change.operations / max(self.operations, 1),
            )
            for change in self.layers
        ]

    def remarks(self) -> tuple[str, ...]:
        now = "x".join(map(str, dict.fromkeys(self.size)))
        where = self.layer or "the output"
        if min(self.size) >= self.target:
            return (f"the field of {where} is {now} already",)
        found = f"{len(self.layers)} single changes reach {self.target}" if self.layers else "no single change does"
        return (f"the field of {where} is {now} now; {found} (operations: multiply-adds of one forward pass)",)


@checked
def reach(
    model: Model | nn.Module,
    target: int,
    input_size: tuple[int, ...] | None = None,
    *,
    most: int = 4,
    progress: Callable[[int, int], None] | None = None,
) -> ReachResult:
    """The smallest single changes of dilation, kernel or stride after which the last map's field has ``target`` pixels.

    A change of dilation by one adds ``(k - 1)*jump`` pixels, of a kernel by two ``2*dilation*jump``, ``jump`` being the
    stride of the layer's input; a stride ``s`` stretches what follows. Paddings grow along, so that maps keep their
    size. What these formulas propose is worked out on the changed net; only what holds there is listed. Per kind of
    change at most ``most`` are, the smallest first.

    Raises:
        RequestError: a net without a last map whose field moves with the unit.

    >>> import torch, rftools as rf
    >>> net = torch.nn.Sequential(torch.nn.Conv2d(1, 4, 3, padding=1), torch.nn.Conv2d(4, 4, 3, padding=1))
    >>> [(c.name, c.size) for c in rf.reach(net, 7, input_size=(1, 16, 16)) if "dilation" in c.name]
    [('1: dilation 1 to 2', (7, 7)), ('0: dilation 1 to 2', (7, 7))]

    Source: Araujo, Norris, Sim, "Computing receptive fields of convolutional neural networks", Distill 2019,
    doi:10.23915/distill.00021, equation 2.
    """
    subject = as_model(model, input_size)
    result = theoretical(subject)
    row = _last_map(result)
    proposals = list(_proposals(subject.module, result, row, target, most)) if _size(row) < target else []
    changes = []
    for number, (name, settings) in enumerate(proposals):
        found = _tried(subject, name, settings, row.name, target)
        changes += [] if found is None else [found]
        if progress is not None:
            progress(number + 1, len(proposals))
    parameters, operations = _cost(subject)
    return ReachResult(
        model=result.model,
        input_size=result.input_size,
        layers=tuple(sorted(changes, key=lambda c: (c.operations, c.parameters))),
        target=target,
        layer=row.name,
        size=_sizes(row),
        parameters=parameters,
        operations=operations,
    )


def _last_map(result: TheoreticalResult) -> LayerField:
    found = result.input_range
    if found is None or found.largest_layer is None:
        raise RequestError(f"{result.model.name} has no last map whose field moves with the unit")
    return result[found.largest_layer]


def _sizes(row: LayerField) -> tuple[int, ...]:
    return tuple(axis.local_size or axis.size or 0 for axis in row.axes)


def _size(row: LayerField) -> int:
    return min(_sizes(row))


def _proposals(
    module: nn.Module, result: TheoreticalResult, last: LayerField, target: int, most: int
) -> Iterator[tuple[str, list[Setting]]]:
    """The smallest changes that the formulas promise, kind by kind; of equal ones the deepest layers first."""
    rows = {row.name: row for row in result}
    found: dict[str, list[tuple[int, int, str, list[Setting]]]] = {kind: [] for kind in LARGEST}
    for depth, (name, child) in enumerate(module.named_modules()):
        row = rows.get(name)
        kernel = numbers(getattr(child, "kernel_size", None))
        if row is None or not kernel or not row.axes or row.axes[-1].stride is None:
            continue
        for kind, after in _needed(child, row, _size(last), target):
            before = numbers(getattr(child, kind))[-1]
            settings = [Setting(name, kind, after)]
            found[kind].append((after - before, -depth, f"{name}: {_WORDS[kind]} {before} to {after}", settings))
    for options in found.values():
        for _, _, text, settings in sorted(options, key=lambda option: option[:2])[:most]:
            yield text, settings


_WORDS = {"dilation": "dilation", "kernel_size": "kernel", "stride": "stride"}


def _needed(module: nn.Module, row: LayerField, now: int, target: int) -> Iterator[tuple[str, int]]:
    """The least value of each setting that would do, by the formulas for a chain."""
    own = {kind: numbers(getattr(module, kind, None)) for kind in LARGEST}
    kernel, stride, dilation = (own[kind][-1] if own[kind] else 1 for kind in ("kernel_size", "stride", "dilation"))
    here, jump = min(_sizes(row)), (row.axes[-1].stride or 1) / stride
    missing = target - now
    wanted = {
        "dilation": dilation - int(-missing // ((kernel - 1) * jump)) if kernel > 1 else None,
        "kernel_size": kernel + 2 * -int(-missing // (2 * dilation * jump)),
        "stride": next((s for s in range(stride + 1, LARGEST["stride"] + 1)
                        if here + (now - here) * s / stride >= target), None),
    }  # fmt: skip
    for kind, after in wanted.items():
        if after is not None and after <= LARGEST[kind] and own[kind]:
            yield kind, after


def _tried(subject: Model, name: str, settings: Sequence[Setting], layer: str, target: int) -> Change | None:
    """The change made and looked at; None where the net refuses it or its field falls short."""
    try:
        changed = with_settings(subject, settings)
        row = theoretical(changed)[layer]
        parameters, operations = _cost(changed)
    except (RequestError, RuntimeError):
        return None
    if row.status == "unknown" or _size(row) < target:
        return None
    return Change(
        name=name,
        settings=tuple(f"{s.pattern}.{s.attribute}={s.value}" for s in settings),
        size=_sizes(row),
        stride=tuple(axis.stride or 0.0 for axis in row.axes),
        output_shape=row.output_shape,
        parameters=parameters,
        operations=operations,
    )


def _cost(subject: Model) -> tuple[int, int]:
    """Parameters, and multiply-adds of a forward pass on one input, counted on tensors without values."""
    module = copy.deepcopy(subject.module).to("meta").eval()
    sizes = [subject.require_input_size(), *subject.other_inputs]
    examples = [torch.zeros((1, *size), device="meta") for size in sizes]
    parameters = sum(p.numel() for p in module.parameters())
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        module.float()(*examples)
    return parameters, counter.get_total_flops() // 2
