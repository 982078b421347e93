"""Every net of the table, every layer, against poisoned pixels: a batch in which each picture has one row of NaN."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import torch

import rftools as rf
from rftools.models import NETS

FAST = [name for name in NETS if not name.endswith("wide") and name not in {"resnet-dilated", "resnet-strided"}]
FIELDS = {
    "vgg-dilated": (25_474, 31, 1),
    "vgg-large": (172_930, 21, 1),
    "vgg-strided": (25_474, 17, 8),
    "vgg-cascade": (86_404, 21, 1),
    "vgg-depthwise": (None, 21, 1),
    "vgg-dilated-wide": (None, 31, 1),
    "vgg-large-wide": (None, 21, 1),
    "vgg-strided-wide": (None, 17, 8),
    "vgg-cascade-wide": (None, 21, 1),
    "vgg-depthwise-wide": (None, 21, 1),
    "vgg-dilated-21": (25_474, 21, 1),
    "vgg-dilated-17": (25_474, 17, 1),
    "vgg-strided-31": (None, 31, 8),
    "resnet-dilated": (None, 437, 1),
    "resnet-strided": (None, 165, 4),
    "fcn-dilated": (None, 127, 1),
    "wavenet": (None, 1024, 1),
}


@contextmanager
def exact_arithmetic() -> Iterator[None]:
    """oneDNN may skip or mix work; the plain kernels do not."""
    before = torch.backends.mkldnn.enabled  # type: ignore[attr-defined]
    torch.backends.mkldnn.enabled = False  # type: ignore[attr-defined]
    try:
        yield
    finally:
        torch.backends.mkldnn.enabled = before  # type: ignore[attr-defined]


def poisoned(model: rf.Model, result: object, axis: int) -> dict[str, list[int]]:
    """By layer: the rows along ``axis`` whose NaN reaches the layer's unit."""
    size = model.require_input_size()
    modules = dict(model.module.named_modules())
    units = {row.name: row.unit for row in result if row.name in modules and row.unit is not None}  # type: ignore[attr-defined]
    seen: dict[str, list[int]] = {name: [] for name in units}
    first = 0

    def hook(name: str) -> object:
        def look(_module: object, _args: object, output: torch.Tensor) -> None:
            if not isinstance(output, torch.Tensor):
                seen.pop(name, None)  # a module that returns several: its rows are the tensors it hands on
            elif name in seen:
                index = (slice(None), slice(None), *(units[name] or ()))
                hit = output[index].isnan().flatten(1).any(1).nonzero().flatten()
                seen[name] += [first + int(i) for i in hit]

        return look

    handles = [modules[name].register_forward_hook(hook(name)) for name in units]  # type: ignore[arg-type]
    try:
        with torch.no_grad(), exact_arithmetic():
            for first in range(0, size[1 + axis], 64):
                rows = range(first, min(first + 64, size[1 + axis]))
                batch = torch.rand((len(rows), *size), dtype=torch.float64)
                for i, row in enumerate(rows):
                    batch[i].movedim(1 + axis, 0)[row] = torch.nan
                model.module.double()(batch)
    finally:
        for handle in handles:
            handle.remove()
    return seen


def compare(model: rf.Model, axis: int) -> int:
    result = rf.theoretical(model)
    seen = poisoned(model, result, axis)
    for name, rows in seen.items():
        assert list(result[name].axes[axis].support or ()) == rows, name
    return len(seen)


@pytest.mark.parametrize("name", FAST)
def test_every_layer_sees_what_the_engine_says(name: str) -> None:
    model = rf.load(f"rftools:{name}", input_size=(1, 1100) if name == "wavenet" else None)
    least = 1 if name == "sequence-recurrent" else 5  # of whose modules one hands on several tensors
    assert sum(compare(model, axis) for axis in range(len(model.require_input_size()) - 1)) > least


@pytest.mark.parametrize("name", ["vgg-dilated", "fcn-dilated", pytest.param("resnet-dilated", marks=pytest.mark.slow)])
def test_unclipped_fields_on_a_strip(name: str) -> None:
    """A picture one pixel wide is long enough for the whole field to show."""
    field = FIELDS[name][1]
    model = rf.load(f"rftools:{name}", input_size=(3, field + 8, 1))
    result = rf.theoretical(model)
    widest = max(result, key=lambda row: row.axes[0].size or 0)
    assert widest.axes[0].size == field
    rows = poisoned(model, result, 0)[widest.name]
    assert rows[-1] - rows[0] + 1 == field
    assert compare(model, 0) > 5


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in NETS if name not in FAST])
def test_every_layer_of_the_large_nets(name: str) -> None:
    model = rf.load(f"rftools:{name}")
    assert sum(compare(model, axis) for axis in (0, 1)) > 5


@pytest.mark.parametrize("name", FIELDS)
def test_fields_and_parameters_of_the_table(name: str) -> None:
    parameters, field, stride = FIELDS[name]
    model = rf.load(f"rftools:{name}")
    if parameters is not None:
        assert model.parameters == parameters
    axes = [row.axes[0] for row in rf.theoretical(model) if row.axes[0].size is not None]
    assert (axes[-1].size, axes[-1].stride) == (field, stride)
    assert max(axis.size for axis in axes if axis.size is not None) == field
