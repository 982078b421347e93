"""Effective weights: what a layer multiplies with, whatever its parameters are kept as.

A weight may stand as itself, as ``weight_orig`` and ``weight_mask`` (torch.nn.utils.prune), in parts (weight norm,
spectral norm) or behind parametrizations. All of them are read from the tensors by their names, so that a module and
its state dict say the same; a module's parametrization whose formula its tensors don't tell is asked for its value.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch

from rftools.errors import RequestError
from rftools.loading.state_dict import masked

State = Mapping[str, torch.Tensor]
LEAF = r"weight|\w+_weight|weight_(?:ih|hh)_l\d+(?:_reverse)?"
_NAME = re.compile(
    rf"^(?P<prefix>(?:.*\.)?)(?:parametrizations\.(?P<behind>{LEAF})\.original[01]?|(?P<own>{LEAF})(?:_orig|_v)?)$"
)
UNTOLD = "read as its parameter: a state dict does not say what its parametrization does"


@dataclass(frozen=True)
class WeightPlace:
    """Where a weight is: the module's path, with a dot at its end where it has one, and the parameter's name."""

    prefix: str
    leaf: str

    @property
    def layer(self) -> str:
        """The row's name: the module's path, ``attention.in_proj`` for ``attention.in_proj_weight``."""
        if self.leaf == "weight":
            return self.prefix.rstrip(".")
        return self.prefix + self.leaf.removesuffix("_weight")

    def name(self, suffix: str = "") -> str:
        return f"{self.prefix}{self.leaf}{suffix}"

    def behind(self, suffix: str) -> str:
        """A name behind a parametrization."""
        return f"{self.prefix}parametrizations.{self.leaf}.{suffix}"


@dataclass(frozen=True)
class Effective:
    """A weight and what it was made of: ``kind`` as `Kernels.zero_kind`; layers of the same ``sources`` are tied."""

    value: torch.Tensor
    kind: str | None
    sources: tuple[torch.Tensor, ...]
    note: str | None = None

    @property
    def key(self) -> tuple[object, ...] | None:
        """The same for layers that share all that their weight is made of; None where that can't be seen."""
        if any(t.is_meta or not t.numel() or t.is_quantized or t.layout != torch.strided for t in self.sources):
            return None
        return tuple((t.data_ptr(), tuple(t.shape), t.stride()) for t in self.sources)


def places(state: State) -> Iterator[WeightPlace]:
    """Every weight that a state dict holds, once, in its order."""
    seen = set()
    for name in state:
        found = _NAME.match(name)
        if found is None:
            continue
        place = WeightPlace(found["prefix"], found["behind"] or found["own"])
        if place not in seen:
            seen.add(place)
            yield place


def effective(place: WeightPlace, state: State, where: str) -> Effective | None:
    """The weight at a place; None where what stands there is none.

    >>> state = {"weight_orig": torch.ones(1, 2), "weight_mask": torch.tensor([[1.0, 0.0]])}
    >>> effective(WeightPlace("", "weight"), state, "here").value.tolist()
    [[1.0, 0.0]]
    """
    own = state.get(place.name())
    if own is not None:
        if place.behind("original") not in state and place.behind("original0") not in state:
            return Effective(own, None, (own,))
        behind = tuple(tensor for name, tensor in state.items() if name.startswith(place.behind("")))
        return Effective(own, "parametrization", behind)
    if place.name("_g") in state and place.name("_v") in state:
        return _normed(state[place.name("_g")], state[place.name("_v")], place, where)
    if place.behind("original0") in state and place.behind("original1") in state:
        return _normed(state[place.behind("original0")], state[place.behind("original1")], place, where)
    if place.name("_orig") in state:
        return _with_mask_or_norm(place, state, where)
    if place.behind("original") in state:
        return _parametrized(place, state, where)
    return None


def _with_mask_or_norm(place: WeightPlace, state: State, where: str) -> Effective:
    own, mask, u = (state.get(place.name(suffix)) for suffix in ("_orig", "_mask", "_u"))
    assert own is not None
    if mask is not None:
        return Effective(masked(own, mask, place.layer, where), "mask", (own, mask))
    v = state.get(place.name("_v"))
    if u is not None and v is not None:
        return Effective(own / _largest(own, u, v), None, (own,))
    return Effective(own, "mask", (own,))


def _parametrized(place: WeightPlace, state: State, where: str) -> Effective:
    """Masks and spectral norms in the order of the parametrizations; others can't be followed from tensors."""
    own = value = state[place.behind("original")]
    sources, note = [own], UNTOLD
    number = 0
    while any(name.startswith(place.behind(f"{number}.")) for name in state):
        mask, u, v = (state.get(place.behind(f"{number}.{name}")) for name in ("mask", "_u", "_v"))
        if mask is not None:
            value, note = masked(value, mask.to(value.dtype), place.layer, where), ""
            sources.append(mask)
        elif u is not None and v is not None:
            value, note = value / _largest(value, u, v), ""
        number += 1
    return Effective(value, "parametrization", tuple(sources), note or None)


def _normed(g: torch.Tensor, v: torch.Tensor, place: WeightPlace, where: str) -> Effective:
    """Weight norm, ``g v / |v|`` with the norm over the axes along which ``g`` has one entry (arXiv:1602.07868)."""
    if g.ndim not in (0, v.ndim) or any(a not in (1, b) for a, b in zip(g.shape, v.shape, strict=False)):
        raise RequestError(
            f"{where}: {place.layer or place.leaf} is kept in parts of {tuple(g.shape)} and {tuple(v.shape)} that are "
            "no weight norm; give the architecture (--model SPEC), or remove the parametrization before saving"
        )
    axes = [axis for axis in range(v.ndim) if g.ndim == 0 or g.shape[axis] == 1]
    size = v.detach().double().square().sum(axes, keepdim=True).sqrt()
    value = torch.where(size > 0, v.detach().double() / size, 0.0) * g.detach().double()
    return Effective(value.to(v.dtype), "parametrization", (g, v))


def _largest(weight: torch.Tensor, u: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    """The largest singular value as spectral norm has it, ``u W v`` (arXiv:1802.05957)."""
    axis = next((n for n, size in enumerate(weight.shape) if size == len(u) and weight.numel() // size == len(v)), 0)
    return u @ weight.detach().movedim(axis, 0).reshape(len(u), -1) @ v


def held(module: torch.nn.Module) -> dict[str, torch.Tensor]:
    """What a module holds by name, as its state dict; tensors that are tied stand under each of their names, and
    values of parametrizations and quantised layers under the weight's.

    Raises:
        RequestError: a lazy layer that has not met its first input.
    """
    state: dict[str, torch.Tensor] = {}
    for name, child in module.named_modules(remove_duplicate=False):
        prefix = f"{name}." if name else ""
        for leaf, tensor in (*child._parameters.items(), *child._buffers.items()):
            if tensor is None:
                continue
            if torch.nn.parameter.is_lazy(tensor):
                raise RequestError(f"layer {name!r} has no weights before its first input: run the net once")
            state[prefix + leaf] = tensor.detach()
        state |= {prefix + leaf: tensor for leaf, tensor in _computed(child).items()}
    return state


def _computed(child: torch.nn.Module) -> dict[str, torch.Tensor]:
    quantised = getattr(child, "weight", None) if "quantized" in type(child).__module__ else None
    if callable(quantised):
        return {"weight": quantised().detach()}
    found = {}
    for leaf, own in getattr(child, "parametrizations", {}).items():
        modes = [part.training for part in own.modules()]
        own.eval()  # a spectral norm would go on with its iteration
        try:
            with torch.no_grad():
                found[leaf] = own().detach()
        finally:
            for part, mode in zip(own.modules(), modes, strict=True):
                part.training = mode
    return found
