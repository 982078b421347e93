"""State dicts: found inside a file's content, masks applied, put into a module."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rftools.errors import RequestError
from rftools.loading.recognition.parts import held_under, largest
from rftools.loading.recognition.prints import PASSING
from rftools.loading.tensors import check_kind, dense
from rftools.reading import door

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
    state = unpacked(content) or unpacked(held_under(content, largest(content)))
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


@dataclass(frozen=True)
class WeightFit:
    """How a file's tensors fit a net's: how many of how many, and the names of those that do not."""

    fits: int
    of: int
    missing: tuple[str, ...] = ()
    reshaped: tuple[str, ...] = ()  # with both shapes
    left_over: tuple[str, ...] = ()

    @property
    def words(self) -> str:
        """What does not fit, in one line; nothing where all does."""
        said = [f"it lacks {_some(self.missing)}, random here"] if self.missing else []
        said += [f"{_some(self.reshaped)}, random here"] if self.reshaped else []
        said += [f"it has {_some(self.left_over)} too many, left out"] if self.left_over else []
        return ", and ".join(said)


def fit(
    module: nn.Module, state: Mapping[str, torch.Tensor], where: str, *, strict: bool = True, least: float = 0.5
) -> WeightFit:
    """Put a state dict into a module, pruning masks applied; how it fits.

    Unless ``strict``, what the module has no place for is left out, and what the file lacks or has in another shape is
    left as it was drawn, as long as a share of ``least`` of the module's tensors is there.

    Raises:
        RequestError: what does not fit, in one line.
    """
    plain = applied_masks(dense(state, where), where)
    own = {name: tensor for name, tensor in module.state_dict().items() if not name.endswith(PASSING)}
    missing = tuple(name for name in own if name not in plain)
    left_over = tuple(name for name in plain if name not in own and not name.endswith(PASSING))
    other = {name: plain[name] for name in own if name in plain and plain[name].shape != own[name].shape}
    reshaped = tuple(
        f"{name} is {_shape(tensor)}, the model's is {_shape(own[name])}" for name, tensor in other.items()
    )
    fits = len(own) - len(missing) - len(reshaped)
    if (strict and (missing or left_over)) or ((missing or reshaped) and fits < least * len(own)):
        parts = [f"lacks {_some(missing)}"] if missing else []
        parts += [f"has {_some(left_over)} too many"] if left_over else []
        raise RequestError(
            f"the weights in {where} do not fit {type(module).__name__}: the file {' and '.join(parts) or reshaped[0]}"
        )
    if strict and reshaped:
        raise RequestError(f"the weights in {where} do not fit: {reshaped[0]}")
    for name, tensor in own.items():
        if name in plain and name not in other:
            check_kind(plain[name], tensor, f"{where}: {name}")
    held = module.state_dict()
    kept = {name: tensor for name, tensor in plain.items() if name in held and name not in other}
    lean = any(tensor.is_meta for tensor in held.values())  # then the file's own tensors become the module's
    typed = {name: tensor.to(held[name].dtype) if lean else tensor for name, tensor in kept.items()}
    with door(where, "holds weights that do not fit"):  # counters of another shape, whatever else torch looks at
        module.load_state_dict(typed, strict=False, assign=lean)
    return WeightFit(fits, len(own), missing, reshaped, left_over)


def _shape(tensor: torch.Tensor) -> str:
    return "x".join(map(str, tensor.shape)) or "a number"


def _some(names: Sequence[str]) -> str:
    return names[0] + (f" and {len(names) - 1} more" if len(names) > 1 else "")


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


def _is_finite(tensor: torch.Tensor) -> bool:
    """Whether every number is; their sum says so at once, where it is finite itself."""
    return bool(tensor.sum().isfinite()) or bool(tensor.isfinite().all())


def check_finite(module: nn.Module) -> None:
    """Refuse NaN and infinite weights, by the name of the layer that holds them (a buffer may be infinite: a limit)."""
    parameters = dict(module.named_parameters())
    for name, tensor in module.state_dict().items():
        if tensor.is_meta or not tensor.is_floating_point() or _is_finite(tensor):
            continue
        if name not in parameters and not bool(tensor.isnan().any()):
            continue
        layer, _, kind = name.rpartition(".")
        bad = "NaN" if bool(tensor.isnan().any()) else "infinite"
        raise RequestError(
            f"layer {layer or name!r} has {bad} values in its {kind}; the training diverged or the file is damaged"
        )
