"""State dicts: found inside a file's content, masks applied, put into a module."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rftools.errors import RequestError
from rftools.loading.tensors import check_kind, dense

if TYPE_CHECKING:
    import torch
    from torch import nn

PACKED = "_packed_params._packed_params"
WRAPPERS = ("state_dict", "model_state_dict", "model", "weights", "net", "network", "ema", "module")


def state_dict_of(content: Mapping[str, Any], where: str) -> dict[str, torch.Tensor]:
    """The state dict inside what a file holds, with wrappers' prefixes taken off.

    Raises:
        RequestError: there is none.
    """
    import torch

    for key in WRAPPERS:
        inner = content.get(key)
        if isinstance(inner, Mapping) and any(isinstance(value, torch.Tensor) for value in inner.values()):
            return state_dict_of(inner, where)
    state = unpacked(content)
    if not state:
        raise RequestError(f"{where} holds no tensors by name; a state dict maps names to tensors")
    for prefix in ("module.", "_orig_mod.", "model."):
        if all(name.startswith(prefix) for name in state):
            state = {name.removeprefix(prefix): value for name, value in state.items()}
    return state


def unpacked(content: Mapping[str, Any]) -> dict[str, torch.Tensor]:
    """The tensors of a mapping by their names, those that torch packs for quantised layers among them."""
    import torch

    named = (_unpacked(str(name), value) for name, value in content.items())
    return {name: value for name, value in named if isinstance(value, torch.Tensor)}


def _unpacked(name: str, value: Any) -> tuple[str, Any]:
    """An entry of a state dict; torch's quantised linear layers keep their weight and bias in one, as a tuple."""
    if name.endswith(PACKED) and isinstance(value, tuple) and value:
        return name.removesuffix(PACKED) + "weight", value[0]
    return name, value


def fit(
    module: nn.Module, state: Mapping[str, torch.Tensor], where: str, *, strict: bool = True, spare: bool = False
) -> str:
    """Put a state dict into a module, pruning masks applied; what is said of tensors that found no place.

    What the module has no place for is left out unless ``strict``; ``spare``: tensors that are missing are left as they
    were drawn.

    Raises:
        RequestError: what does not fit, in one line.
    """
    plain = applied_masks(dense(state, where), where)
    own = module.state_dict()
    missing = [name for name in own if name not in plain and not name.endswith("num_batches_tracked")]
    unexpected = [name for name in plain if name not in own]
    if (missing and not spare) or (unexpected and strict):
        parts = [f"lacks {missing[0]}" + _more(missing)] if missing else []
        parts += [f"has {unexpected[0]} too many" + _more(unexpected)] if unexpected else []
        raise RequestError(f"the weights in {where} do not fit {type(module).__name__}: the file {' and '.join(parts)}")
    for name, tensor in plain.items():
        if name in own and tensor.shape != own[name].shape:
            given, wanted = ("x".join(map(str, t.shape)) for t in (tensor, own[name]))
            raise RequestError(f"the weights in {where} do not fit: {name} is {given}, the model's is {wanted}")
        if name in own:
            check_kind(tensor, own[name], f"{where}: {name}")
    module.load_state_dict({name: tensor for name, tensor in plain.items() if name in own}, strict=False)
    said = [f"it lacks {missing[0]}{_more(missing)}, random here"] if missing else []
    said += [f"it has {unexpected[0]}{_more(unexpected)} too many, left out"] if unexpected else []
    return ", and ".join(said)


def _more(names: list[str]) -> str:
    return f" and {len(names) - 1} more" if len(names) > 1 else ""


def applied_masks(state: Mapping[str, torch.Tensor], where: str) -> dict[str, torch.Tensor]:
    """``weight_orig`` times ``weight_mask`` (torch.nn.utils.prune) as ``weight``."""
    plain: dict[str, torch.Tensor] = {}
    for name, tensor in state.items():
        if name.endswith("_mask") and f"{name[:-5]}_orig" in state:
            continue
        if name.endswith("_orig") and f"{name[:-5]}_mask" in state:
            plain[name[:-5]] = masked(tensor, state[f"{name[:-5]}_mask"], name[:-5], where)
        else:
            plain[name] = tensor
    return plain


def masked(weight: torch.Tensor, mask: torch.Tensor, name: str, where: str) -> torch.Tensor:
    """A weight with its pruning mask applied, or the line that says that the two do not fit."""
    if mask.shape != weight.shape:
        given, wanted = ("x".join(map(str, t.shape)) for t in (mask, weight))
        raise RequestError(f"{where}: the mask of {name} is {given}, its weight {wanted}")
    return weight * mask


def check_finite(module: nn.Module) -> None:
    """Refuse NaN and infinite weights, by the name of the layer that holds them (a buffer may be infinite: a limit)."""
    parameters = dict(module.named_parameters())
    for name, tensor in module.state_dict().items():
        if tensor.is_meta or not tensor.is_floating_point() or bool(tensor.isfinite().all()):
            continue
        if name not in parameters and not bool(tensor.isnan().any()):
            continue
        layer, _, kind = name.rpartition(".")
        bad = "NaN" if bool(tensor.isnan().any()) else "infinite"
        raise RequestError(
            f"layer {layer or name!r} has {bad} values in its {kind}; the training diverged or the file is damaged"
        )
