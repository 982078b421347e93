"""The print of a set of tensors: one number for all names and shapes, whatever their order; and that of a net's build.

Tensors whose shape follows from the number of classes, of input channels or from the image size are left out of it and
named apart, so that a net with a changed head, or without one, keeps its print.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import nn

Shapes = Mapping[str, tuple[int, ...]]
# What follows from the rest, and is there or not by the version that wrote a file.
PASSING = ("num_batches_tracked", "relative_position_index", "attn_mask", "position_ids", "relative_coords_table")
# What a net is given by its user, and what is off when a net is looked at.
NOT_OF_THE_BUILD = frozenset(
    """
    training num_classes num_labels img_size image_size grid_size num_patches input_size input_resolution
    patches_resolution seq_len feat_size out_features in_features in_channels in_chans out_channels num_channels
    num_embeddings normalized_shape pretrained_cfg default_cfg p drop_prob inplace call_super_init dump_patches
    T_destination weight_init grad_checkpointing gradient_checkpointing fused_attn use_fused_attn
    """.split()  # noqa: SIM905
)


def print_of(shapes: Shapes, without: Iterable[str] = ()) -> int:
    """The sum of a 64-bit hash of every ``name:AxBxC``, modulo 2^64.

    >>> print_of({"a": (1, 2), "b": (3,)}) == print_of({"b": (3,), "a": (1, 2), "n.num_batches_tracked": ()})
    True
    >>> print_of({"a": (1, 2), "b": (3,)}, ["b"]) == print_of({"a": (1, 2)})
    True
    """
    left_out = set(without)
    return sum(one(name, shape) for name, shape in shapes.items() if name not in left_out) % (1 << 64)


def one(name: str, shape: tuple[int, ...]) -> int:
    """The hash of one tensor; none for what is passing."""
    if name.endswith(PASSING):
        return 0
    return _hash(f"{name}:{'x'.join(map(str, shape))}")


def build_of(module: nn.Module) -> int:
    """The hash of a net's build beyond its tensors: classes of its modules and their plain settings (stride, dilation,
    padding mode, kind of activation).

    >>> from torch import nn
    >>> build_of(nn.Conv2d(1, 1, 3, stride=2)) == build_of(nn.Conv2d(1, 1, 3, stride=1))
    False
    """
    parts = []
    for name, child in module.named_modules():
        settings = {key: _word(value) for key, value in vars(child).items() if key not in NOT_OF_THE_BUILD}
        said = ",".join(f"{key}={word}" for key, word in sorted(settings.items()) if word is not None and key[0] != "_")
        parts.append(f"{name}:{type(child).__module__}.{type(child).__qualname__}({said})")
    return _hash("\n".join(parts))


def _word(value: Any) -> str | None:
    if value is None or isinstance(value, (bool, int, float, str)):
        return repr(value)
    if isinstance(value, (tuple, list)) and all(isinstance(item, (int, float, str)) for item in value):
        return repr(tuple(value))
    return getattr(value, "__name__", None) if callable(value) and not hasattr(value, "parameters") else None


def _hash(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")
