"""The answers of one unit's channels to a batch of inputs, the forward pass cut short at the last layer asked."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from rftools.errors import RequestError
from rftools.runtime.evaluation import dtype_of, frozen
from rftools.runtime.outputs import layer_outputs
from rftools.units import Unit


def respond(
    module: nn.Module,
    batches: Iterable[NDArray[np.float32]],
    units: Sequence[Unit],
    device: torch.device,
) -> dict[str, NDArray[np.float64]]:
    """The outputs ``(inputs, filters)`` of each unit, by its layer.

    Raises:
        RequestError: a layer that gives no tensor, or values that are not finite.
    """
    found: dict[str, list[NDArray[np.float64]]] = {unit.layer: [] for unit in units}
    with frozen(module, device), torch.no_grad():
        for batch in batches:
            x = torch.from_numpy(batch)
            outputs = layer_outputs(module, x.to(device, dtype_of(module, x)), list(found))
            for unit in units:
                values = _unit(outputs[unit.layer], unit)
                if not np.isfinite(values).all():
                    raise RequestError(f"layer {unit.layer!r} answers a grating with NaN or infinity")
                found[unit.layer].append(values)
    return {name: np.concatenate(parts) for name, parts in found.items()}


def _unit(output: torch.Tensor, unit: Unit) -> NDArray[np.float64]:
    values: NDArray[np.float64] = unit.of(output).flatten(1).double().cpu().numpy()
    return values
