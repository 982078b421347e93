"""The answers of one unit's channels to a batch of inputs, the forward pass cut short at the last layer asked."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from rftools.erf.maps.seeds import Target
from rftools.errors import RequestError
from rftools.runtime.evaluation import dtype_of, frozen
from rftools.runtime.outputs import layer_outputs


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
            outputs = layer_outputs(module, x.to(device, dtype_of(module, x)), list(found))
            for target in targets:
                values = _unit(outputs[target.name], target)
                if not np.isfinite(values).all():
                    raise RequestError(f"layer {target.name!r} answers a grating with NaN or infinity")
                found[target.name].append(values)
    return {name: np.concatenate(parts) for name, parts in found.items()}


def _unit(output: torch.Tensor, target: Target) -> NDArray[np.float64]:
    unit: NDArray[np.float64] = target.unit(output).flatten(1).double().cpu().numpy()
    return unit
