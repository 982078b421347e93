"""What a pruning leaves alone of a net's weights, and why."""

from __future__ import annotations

from collections.abc import Container, Iterator
from dataclasses import dataclass

from torch import nn

from rftools.models.training.pruning import PRUNABLE, is_depthwise, own_weight
from rftools.weights.effective import WeightPlace, effective, held, places


@dataclass(frozen=True)
class LeftAlone:
    """A weight that is not pruned although nobody left it out: how many numbers it holds, and why it stays."""

    name: str
    weights: int
    why: str


def left_alone_of(module: nn.Module, pruned: Container[str], *, depthwise: bool) -> tuple[LeftAlone, ...]:
    """The weights that pruning passes by, each once; ``pruned`` are the names of those that are pruned.

    Layers that patterns leave out are not among them, nor norms and biases.

    >>> net = nn.Sequential(nn.Embedding(10, 4), nn.Linear(4, 4))
    >>> left_alone_of(net, ["1"], depthwise=False)
    (LeftAlone(name='0', weights=40, why='only convolutions and linear layers are pruned, not Embedding'),)
    """
    return tuple(_left(module, pruned, depthwise))


def _left(module: nn.Module, pruned: Container[str], depthwise: bool) -> Iterator[LeftAlone]:
    owners, state = dict(module.named_modules(remove_duplicate=False)), held(module)
    parts = {place: effective(place, state, type(module).__name__) for place in places(state)}
    seen = {own.key for place, own in parts.items() if own is not None and place.layer in pruned}
    for place, own in parts.items():
        owner = owners[place.prefix.rstrip(".")]
        if own is None or own.value.ndim < 2 or own.key in seen:
            continue
        seen.add(own.key)
        why = _why(owner, place, depthwise)
        if why is not None:
            yield LeftAlone(place.layer, own.value.numel(), why)


def _why(owner: nn.Module, place: WeightPlace, depthwise: bool) -> str | None:
    if isinstance(owner, (nn.LayerNorm, nn.RMSNorm)):
        return None
    if not isinstance(owner, PRUNABLE):
        return f"only convolutions and linear layers are pruned, not {type(owner).__name__}"
    behind = getattr(owner, "parametrizations", {})
    if place.leaf in behind:
        kinds = ", ".join(type(part).__name__ for part in behind[place.leaf])
        return f"its weight is parametrized ({kinds}); torch.nn.utils.parametrize.remove_parametrizations undoes it"
    if own_weight(owner) is None:
        return "its weight is kept in parts; torch.nn.utils.remove_weight_norm or remove_spectral_norm undoes it"
    return "depthwise kernels are pruned only if asked" if is_depthwise(owner) and not depthwise else None
