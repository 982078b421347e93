"""What if a layer had another stride, dilation, padding or kernel: the same model with settings changed."""

from __future__ import annotations

import copy
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch import nn

from rftools.errors import RequestError, closest
from rftools.loading import Model
from rftools.rows import matching
from rftools.trf.layer_field import AxisField
from rftools.trf.result import TheoreticalResult

SETTABLE = ("stride", "dilation", "padding", "kernel_size", "output_padding")


LARGEST = 1 << 20  # of a setting; a field is worked out in as many steps


@dataclass(frozen=True)
class Setting:
    """``pattern`` names modules, ``attribute`` what of them becomes ``value``."""

    pattern: str
    attribute: str
    value: int


def parse_setting(text: str) -> Setting:
    """``layer3.0.conv1.stride=1`` as a `Setting`.

    >>> parse_setting("layer4.*.dilation=2")
    Setting(pattern='layer4.*', attribute='dilation', value=2)

    Raises:
        RequestError: not ``PATH.ATTRIBUTE=NUMBER``, or an attribute that can't be set.
    """
    place, equals, number = text.partition("=")
    pattern, _, attribute = place.rpartition(".")
    if not equals or not re.fullmatch("[0-9]{1,9}", number):
        raise RequestError(f"{text!r} is not PATH.ATTRIBUTE=NUMBER, such as layer3.0.conv1.stride=1")
    if int(number) > LARGEST:
        raise RequestError(f"{text!r}: {attribute} is at most {LARGEST}")
    if attribute not in SETTABLE:
        raise RequestError(f"{attribute!r} can't be set{closest(attribute, SETTABLE)}; there are {', '.join(SETTABLE)}")
    return Setting(pattern, attribute, int(number))


def with_settings(model: Model, settings: Sequence[Setting]) -> Model:
    """A copy of ``model`` with the settings made; a new kernel size takes fresh weights.

    A layer that is padded so that its map keeps its size stays so when its dilation or kernel changes, unless its
    padding is among the settings.

    Raises:
        RequestError: a pattern that matches no module with that attribute.
    """
    import dataclasses

    module = copy.deepcopy(model.module)
    padded = {id(child) for s in settings if s.attribute == "padding" for child in _matching(module, s.pattern)}
    for setting in settings:
        found = [child for child in _matching(module, setting.pattern) if hasattr(child, setting.attribute)]
        if not found:
            names = [n for n, child in module.named_modules() if hasattr(child, setting.attribute)]
            raise RequestError(
                f"no module matches {setting.pattern!r} and has a {setting.attribute}{closest(setting.pattern, names)}"
            )
        for child in found:
            keeps = id(child) not in padded and setting.attribute in {"dilation", "kernel_size"} and _keeps_size(child)
            _set(child, setting)
            if keeps:
                _set(child, Setting(setting.pattern, "padding", _half_span(child)))
    return dataclasses.replace(model, module=module, name=f"{model.name}, changed")


def _matching(module: nn.Module, pattern: str) -> list[nn.Module]:
    modules = dict(module.named_modules())
    found = matching(pattern, modules)
    return [child for name, child in modules.items() if name in found]


def _keeps_size(module: nn.Module) -> bool:
    """Whether a layer pads by half of what its kernel spans, on all axes alike."""
    padding = getattr(module, "padding", None)
    return isinstance(padding, (int, tuple)) and set(numbers(padding)) == {_half_span(module)}


def _half_span(module: nn.Module) -> int:
    kernel, dilation = (numbers(getattr(module, name, 1))[-1] for name in ("kernel_size", "dilation"))
    return (kernel - 1) * dilation // 2


def numbers(value: Any) -> tuple[int, ...]:
    """A setting's value as one number an axis; empty where it is no number.

    >>> numbers(3), numbers((1, 2)), numbers("same")
    ((3,), (1, 2), ())
    """
    values = (value,) if isinstance(value, int) else value
    return tuple(values) if isinstance(values, tuple) and all(isinstance(n, int) for n in values) else ()


def _set(module: Any, setting: Setting) -> None:
    before = getattr(module, setting.attribute)
    after = (setting.value,) * len(before) if isinstance(before, tuple) else setting.value
    setattr(module, setting.attribute, after)
    if setting.attribute == "padding" and hasattr(module, "_reversed_padding_repeated_twice"):
        module._reversed_padding_repeated_twice = [setting.value] * (2 * len(before))
    weight = getattr(module, "weight", None)
    if setting.attribute == "kernel_size" and isinstance(weight, nn.Parameter) and isinstance(after, tuple):
        module.weight = nn.Parameter(weight.new_zeros((*weight.shape[:2], *after)).normal_())


COLUMNS = ("layer", "output", "output then", "size", "size then", "stride", "stride then", "change")


def differences(before: TheoreticalResult, after: TheoreticalResult) -> list[tuple[Any, ...]]:
    """The rows of `COLUMNS`: every layer that both have, side by side, and by how much its field grows."""
    then = {row.name: row for row in after}
    rows = []
    for row in before:
        other = then.get(row.name)
        if other is None:
            continue
        sizes = [_show([a.size for a in r.axes], r.axes) for r in (row, other)]
        strides = [_show([a.stride for a in r.axes], ()) for r in (row, other)]
        outputs = ["x".join(map(str, r.output_shape)) for r in (row, other)]
        growth = [_difference(a.size, b.size) for a, b in zip(row.axes, other.axes, strict=True)]
        rows.append((row.name or "(model)", *outputs, *sizes, *strides, _show(growth, ())))
    return rows


def _difference(before: int | None, after: int | None) -> int | None:
    return None if before is None or after is None else after - before


def _show(values: Sequence[Any], axes: Sequence[AxisField]) -> Any:
    if axes and all(axis.global_ for axis in axes):
        return "global"
    if len(set(values)) == 1:
        return values[0]
    return "x".join("-" if v is None else f"{v:g}" for v in values)
