"""The answers of one unit's channels to a batch of inputs, the forward pass cut short at the last layer asked."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from rftools.erf.maps.gradients import dtype_of, frozen
from rftools.erf.maps.seeds import Target
from rftools.errors import RequestError


class _Reached(Exception):
    """Raised by the last hook: what comes after the layers asked for need not run."""


def respond(
    module: nn.Module,
    batches: Iterable[NDArray[np.float32]],
    targets: Sequence[Target],
    device: torch.device,
) -> dict[str, NDArray[np.float64]]:
    """The outputs ``(inputs, filters)`` of each target's unit.

    Raises:
        RequestError: a layer that gives no tensor, or values that are not finite.
    """
    found: dict[str, list[NDArray[np.float64]]] = {target.name: [] for target in targets}
    with frozen(module, device), torch.no_grad():
        for batch in batches:
            x = torch.from_numpy(batch)
            outputs = _forward(module, x.to(device, dtype_of(module, x)), targets)
            for target in targets:
                values = _unit(outputs[target.name], target)
                if not np.isfinite(values).all():
                    raise RequestError(f"layer {target.name!r} answers a grating with NaN or infinity")
                found[target.name].append(values)
    return {name: np.concatenate(parts) for name, parts in found.items()}


def _forward(module: nn.Module, x: torch.Tensor, targets: Sequence[Target]) -> dict[str, torch.Tensor]:
    taken: dict[str, torch.Tensor] = {}
    calls: dict[str, int] = {}
    wanted = {(target.path, target.call): target.name for target in targets}
    modules = dict(module.named_modules())

    def hook(path: str) -> Any:
        def keep(_module: nn.Module, _args: Any, output: Any) -> None:
            call = calls.get(path, 0)
            calls[path] = call + 1
            name = wanted.get((path, call))
            if name is None or not isinstance(output, torch.Tensor):
                return
            taken[name] = output.clone()  # an in-place activation may follow
            if len(taken) == len(wanted):
                raise _Reached

        return keep

    handles = [modules[path].register_forward_hook(hook(path)) for path in dict.fromkeys(t.path for t in targets)]
    try:
        module(x)
    except _Reached:
        pass
    finally:
        for handle in handles:
            handle.remove()
    missing = [target.name for target in targets if target.name not in taken]
    if missing:
        raise RequestError(f"layer {missing[0]!r} gives no tensor of its own in the forward pass; name another")
    return taken


def _unit(output: torch.Tensor, target: Target) -> NDArray[np.float64]:
    unit: NDArray[np.float64] = target.unit(output).flatten(1).double().cpu().numpy()
    return unit
