"""The print of a set of tensors: one number for all names and shapes, whatever their order.

Tensors whose shape follows from the number of classes or of input channels are left out of it and named apart, so that
a net with a changed head, or without one, keeps its print.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping

Shapes = Mapping[str, tuple[int, ...]]
COUNTER = "num_batches_tracked"  # absent in old files


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
    """The hash of one tensor; none for a counter."""
    if name.endswith(COUNTER):
        return 0
    text = f"{name}:{'x'.join(map(str, shape))}".encode()
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "little")
