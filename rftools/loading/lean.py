"""Nets built without numbers, where a file has all of them: nothing is drawn, nothing is held twice."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch
    from torch import nn
    from torch.overrides import TorchFunctionMode

    from rftools.loading.model import Model

FILLS = {  # functions of torch that give a tensor numbers, and nothing else
    "normal_", "uniform_", "trunc_normal_", "fill_", "zero_", "zeros_", "ones_", "constant_",
    "kaiming_normal_", "kaiming_uniform_", "xavier_normal_", "xavier_uniform_",
}  # fmt: skip


def without_numbers(build: Callable[[], Model], part: Mapping[str, torch.Tensor]) -> Model | None:
    """The net on the meta device, if every number in it will be one of ``part``; None where some is not.

    Weights under two names, buffers that no file holds and builders that look at numbers need a net with numbers.
    """
    import torch

    try:
        with torch.device("meta"), _undrawn():
            model = build()
    except Exception:  # of a builder that looks at numbers; what else is wrong is said when it is built with them
        return None
    own = model.module.state_dict(keep_vars=True)
    held = {id(tensor) for tensor in own.values()}
    whole = all(name in part and part[name].shape == tensor.shape for name, tensor in own.items())
    alone = all(id(tensor) in held for tensor in _tensors(model.module))
    return model if whole and alone and len(held) == len(own) else None


def _undrawn() -> TorchFunctionMode:
    """Inside it, tensors without numbers are not filled with any: that takes as long as the rest of the building."""
    from torch.overrides import TorchFunctionMode

    class Undrawn(TorchFunctionMode):
        def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            named = kwargs or {}
            first = args[0] if args else named.get("tensor")
            if getattr(func, "__name__", "") in FILLS and getattr(first, "is_meta", False):
                return first
            return func(*args, **named)

    return Undrawn()


def _tensors(module: nn.Module) -> Iterator[torch.Tensor]:
    """Every tensor that a module and its children keep, in their state or beside it."""
    import torch

    for child in module.modules():
        for value in [*child._parameters.values(), *child._buffers.values(), *vars(child).values()]:
            for item in _items(value):
                if isinstance(item, torch.Tensor):
                    yield item


def _items(value: Any) -> tuple[Any, ...]:
    if isinstance(value, Mapping):
        return tuple(value.values())
    return tuple(value) if isinstance(value, (list, tuple)) else (value,)
