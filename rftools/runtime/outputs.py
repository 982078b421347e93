"""The outputs of layers in a forward pass, which ends at the last one that is asked for."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import nn

from rftools.errors import RequestError


class _Reached(Exception):
    """Raised by the last hook: what comes after the layers asked for need not run."""


def layer_outputs(module: nn.Module, x: torch.Tensor, layers: Iterable[str]) -> dict[str, torch.Tensor]:
    """What each layer gives for the input ``x``: ``path`` names a module's first call, ``path#1`` its second.

    The outputs are the layers' own, as gradients need them; an in-place activation that follows changes a copy.

    Raises:
        RequestError: a layer that is not called, or gives no tensor.

    >>> net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(inplace=True))
    >>> layer_outputs(net, torch.zeros(4, 1, 8, 8), ["0"])["0"].shape
    torch.Size([4, 2, 6, 6])
    """
    reader = _Reader(layers)
    modules = dict(module.named_modules())
    handles = []
    try:
        for path in reader.paths:
            handles.append(modules[path].register_forward_hook(reader.hook(path)))
        module(x)
    except _Reached:
        pass
    finally:
        for handle in handles:
            handle.remove()
    reader.check()
    return reader.outputs


def call_of(layer: str) -> tuple[str, int]:
    """A layer's module path and which of its calls it is.

    >>> call_of("block.conv#1"), call_of("block.conv")
    (('block.conv', 1), ('block.conv', 0))
    """
    path, _, number = layer.partition("#")
    return path, int(number or 0)


class _Reader:
    """Keeps the outputs of the wanted calls, and ends the forward pass once it has them all."""

    def __init__(self, layers: Iterable[str]) -> None:
        self.wanted = {call_of(layer): layer for layer in layers}
        self.outputs: dict[str, torch.Tensor] = {}
        self.calls: dict[str, int] = {}

    @property
    def paths(self) -> list[str]:
        return list(dict.fromkeys(path for path, _ in self.wanted))

    def hook(self, path: str) -> Any:
        def keep(_module: nn.Module, _args: Any, output: Any) -> Any:
            call = self.calls.get(path, 0)
            self.calls[path] = call + 1
            name = self.wanted.get((path, call))
            if name is None or not isinstance(output, torch.Tensor):
                return None
            self.outputs[name] = output
            if len(self.outputs) == len(self.wanted):
                raise _Reached
            return output.clone()  # what follows gets a copy: an in-place activation would change what the layer gave

        return keep

    def check(self) -> None:
        missing = [name for name in self.wanted.values() if name not in self.outputs]
        if missing:
            raise RequestError(f"layer {missing[0]!r} gives no tensor of its own in the forward pass; name another")
