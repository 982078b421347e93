"""Pruning while training: what is asked of a net, the layers that it is for, and what the log says of it."""

from __future__ import annotations

import fnmatch
from collections.abc import Container, Iterable, Mapping

import torch
from torch import nn

from rftools.errors import RequestError, closest
from rftools.models.training.masks import Pruner, kept
from rftools.models.training.schedules import Pruning, parse_pattern

PRUNABLE = (
    nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d, nn.Linear,
)  # fmt: skip


def is_depthwise(module: nn.Module) -> bool:
    """Whether each input channel has kernels of its own."""
    groups = int(getattr(module, "groups", 1))
    return groups > 1 and groups == getattr(module, "in_channels", 0)


def prunable(module: nn.Module, patterns: Iterable[str] = (), *, depthwise: bool = False) -> dict[str, float | None]:
    """The layers to prune, each with the sparsity that a pattern gives it (the last that matches), or None.

    Convolutions (transposed ones too) and linear layers; no biases, no norms; depthwise kernels if asked. Of layers
    that share a weight the first that is wanted stands for all; masks of torch.nn.utils.prune are taken as they are.

    Raises:
        RequestError: a pattern that matches nothing of it, or nothing to prune at all.
    """
    layers = {name: m for name, m in module.named_modules() if isinstance(m, PRUNABLE) and own_weight(m) is not None}
    ready = {name for name, m in layers.items() if depthwise or not is_depthwise(m)}
    if not ready:
        raise RequestError(f"{type(module).__name__} has no convolution or linear layer to prune" + _depthwise(layers))
    wanted: dict[str, float | None] = {}
    for pattern, share in map(parse_pattern, patterns):
        matching = fnmatch.filter(layers, pattern)
        if not ready.intersection(matching):
            hint = _depthwise(matching) or closest(pattern, ready)
            raise RequestError(f"no layer to prune matches {pattern!r}{hint}; there are {len(ready)}")
        wanted |= {name: share for name in matching if name in ready}
    return {name: wanted.get(name) for name in _untied(layers, wanted if patterns else ready)}


def _untied(layers: Mapping[str, nn.Module], wanted: Container[str]) -> list[str]:
    """Of layers with one weight the first."""
    found: dict[int, str] = {}
    for name, layer in layers.items():
        if name in wanted:
            found.setdefault(id(own_weight(layer)), name)
    return list(found.values())


def own_weight(layer: nn.Module) -> nn.Parameter | None:
    """The parameter that a layer's weight is, or is under a mask of torch.nn.utils.prune; None where it is neither."""
    own = layer._parameters.get("weight")
    return layer._parameters.get("weight_orig") if own is None and "weight_mask" in layer._buffers else own


def fold_masks(module: nn.Module, names: Iterable[str]) -> None:
    """Make zeros of what torch.nn.utils.prune has masked in layers: their weights are parameters again.

    Raises:
        RequestError: a layer that shares its weight with one of another mask.
    """
    from torch.nn.utils import prune

    masked = {name: m for name, m in module.named_modules() if "weight_mask" in m._buffers}
    for name in [name for name in names if name in masked]:
        own = masked[name]
        users = [(other, m) for other, m in module.named_modules() if own_weight(m) is own_weight(own)]
        for other, user in users:
            mask = user._buffers.get("weight_mask")
            if mask is None or not torch.equal(mask, own.get_buffer("weight_mask")):
                raise RequestError(
                    f"layers {name!r} and {other!r} share a weight and not its mask; make the masks alike, or zeros "
                    "(torch.nn.utils.prune.remove), first"
                )
        for _, user in users:
            prune.remove(user, "weight")


def _depthwise(left_out: Iterable[str]) -> str:
    return " but depthwise ones, which are pruned only if asked" if list(left_out) else ""


def make_pruner(module: nn.Module, request: Pruning, *, per_epoch: int, total: int, seed: int = 0) -> Pruner:
    """The pruner of a training of ``total`` steps, ``per_epoch`` an epoch.

    Raises:
        RequestError: a schedule that begins after the training ends; a pattern that matches nothing.
    """
    schedule = request.in_steps(per_epoch)
    if schedule.begin >= total:
        raise RequestError(
            f"schedule {request.schedule!r} begins at step {schedule.begin}, but training ends after {total} steps "
            f"({per_epoch} an epoch); begin earlier or train longer"
        )
    layers = prunable(module, request.layers, depthwise=request.depthwise)
    fold_masks(module, layers)
    weights = {name: module.get_submodule(name).get_parameter("weight") for name in layers}
    schedules = {name: schedule if own is None else schedule.towards(own) for name, own in layers.items()}
    return Pruner(weights, schedules, request.scope, seed=seed)


def frozen_pruner(module: nn.Module, masks: Mapping[str, torch.Tensor]) -> Pruner:
    """A pruner whose masks stay as they are."""
    pruner = Pruner({name: module.get_submodule(name).get_parameter("weight") for name in masks}, {})
    pruner.restore(masks)
    return pruner


def remaining(pruner: Pruner, parameters: int) -> int:
    """How many of a net's ``parameters`` are left when the schedules have come to their ends."""
    if pruner.scope == "global":
        left = kept(pruner.count, next(iter(pruner.schedules.values())).final)
    else:
        left = sum(kept(w.numel(), pruner.schedules[name].final) for name, w in pruner.weights.items())
    return parameters - pruner.count + left


def plan(pruner: Pruner, parameters: int, *, per_epoch: int, total: int) -> list[str]:
    """What the log says before training: what is pruned, when, and how far it comes."""
    schedule = next(iter(pruner.schedules.values()))
    threshold = "a threshold a layer" if pruner.scope == "layer" else "one threshold for all"
    end = "on" if schedule.end is None else f"to {schedule.end} (epoch {schedule.end / per_epoch:g})"
    lines = [
        f"pruning {pruner.count} of {parameters} parameters in {len(pruner.weights)} layers (biases and norms stay), "
        + threshold,
        f"{schedule.kind} from step {schedule.begin} (epoch {schedule.begin / per_epoch:g}) {end}, every "
        f"{schedule.every} steps; an epoch has {per_epoch}",
        *_ends(pruner),
        f"{remaining(pruner, parameters)} of {parameters} parameters remain in the end",
    ]
    if schedule.end is not None and schedule.end >= total:
        last = schedule.at(max(t for t in range(schedule.begin, total) if schedule.due(t)))
        lines.append(f"training ends at step {total}, before the schedule: sparsity {last:.3f}, keep {1 - last:.3f}")
    return lines


def _ends(pruner: Pruner) -> list[str]:
    lines = []
    for final in sorted({own.final for own in pruner.schedules.values()}):
        layers = [name for name, own in pruner.schedules.items() if own.final == final]
        whose = "" if len(layers) == len(pruner.schedules) else f" in {len(layers)} layers ({layers[0]}, ...)"
        lines.append(f"sparsity {final:g} (set to zero), keep {round(1 - final, 9):g}{whose}")
    return lines


def with_masks(state: Mapping[str, torch.Tensor], masks: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """A state dict as torch.nn.utils.prune has it: ``weight_orig`` and ``weight_mask`` in place of ``weight``."""
    found: dict[str, torch.Tensor] = {}
    for name, tensor in state.items():
        layer, _, kind = name.rpartition(".")
        if kind == "weight" and layer in masks:
            found[f"{name}_orig"], found[f"{name}_mask"] = tensor, masks[layer].to(tensor.device, tensor.dtype)
        else:
            found[name] = tensor
    return found


def without_masks(state: Mapping[str, torch.Tensor]) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    """The state dict that `with_masks` was given, and the masks by layer."""
    masks = {name: tensor for name, tensor in state.items() if name.endswith("weight_mask")}
    plain = {
        name.removesuffix("_orig") if f"{name.removesuffix('_orig')}_mask" in masks else name: tensor
        for name, tensor in state.items()
        if name not in masks
    }
    return plain, {name.removesuffix("weight_mask").removesuffix("."): mask for name, mask in masks.items()}
