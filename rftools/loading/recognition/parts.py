"""Where in a file's content weights may lie: sub-dicts that map names to tensors, and prefixes of those names."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import Any

from rftools.loading.recognition.prints import Shapes, one

PREFIXES = 60  # that are tried in one sub-dict, those of most tensors first
DEPTH = 4  # levels at which sub-dicts are looked for
LEAST = 4  # tensors, of which nothing less is a net
STATES = ("optimizer", "optim", "scaler", "scheduler")  # beginnings of keys whose tensors are no weights


@dataclass(frozen=True)
class Part:
    """The tensors under one key that begin with one prefix: their shapes by names without it."""

    key: str
    prefix: str
    shapes: Shapes

    @cached_property
    def hashes(self) -> dict[str, int]:
        return {name: one(name, shape) for name, shape in self.shapes.items()}

    @cached_property
    def total(self) -> int:
        return sum(self.hashes.values())

    @cached_property
    def tops(self) -> dict[str, int]:
        """The sum of hashes under each first word."""
        found: dict[str, int] = {}
        for name, value in self.hashes.items():
            top = name.partition(".")[0]
            found[top] = found.get(top, 0) + value
        return found

    def without(self, tops: Iterable[str]) -> list[str]:
        """The names that begin with none of these words."""
        return [name for name in self.shapes if name.partition(".")[0] not in tops]


def parts(
    content: Mapping[str, Any], key: str | None = None, prefix: str | None = None, *, least: int = LEAST
) -> Iterator[Part]:
    """What may be a net's tensors, outer ones first; only those under ``key`` or ``prefix`` where they are given."""
    for place, shapes in sub_dicts(content):
        if key is not None and key not in (place, place.rpartition(".")[2]):
            continue
        for start in prefixes(shapes) if prefix is None else [prefix]:
            inner = {name.removeprefix(start): shape for name, shape in shapes.items() if name.startswith(start)}
            if len(inner) >= least:
                yield Part(place, start, inner)


def sub_dicts(content: Mapping[str, Any], key: str = "", depth: int = 0) -> Iterator[tuple[str, Shapes]]:
    """What maps names to tensors inside ``content``, with the path of keys to it; outer ones first."""
    import torch

    tensors = {str(name): tuple(value.shape) for name, value in content.items() if isinstance(value, torch.Tensor)}
    if tensors:
        yield key, unmasked(tensors)
    if depth < DEPTH:
        for name, value in content.items():
            if isinstance(value, Mapping) and not str(name).startswith(STATES):
                yield from sub_dicts(value, f"{key}.{name}" if key else str(name), depth + 1)


def unmasked(shapes: Shapes) -> Shapes:
    """``weight_orig`` and ``weight_mask`` (torch.nn.utils.prune) as the ``weight`` that they make."""
    return {
        name.removesuffix("_orig") if name.endswith("_orig") and f"{name[:-5]}_mask" in shapes else name: shape
        for name, shape in shapes.items()
        if not (name.endswith("_mask") and f"{name[:-5]}_orig" in shapes)
    }


def prefixes(shapes: Shapes) -> list[str]:
    """What several names begin with, nothing first: ``module.``, ``net.backbone.``."""
    counts: Counter[str] = Counter()
    for name in shapes:
        words = name.split(".")
        counts.update(".".join(words[:n]) + "." for n in range(1, min(len(words), 5)))
    return ["", *(prefix for prefix, _ in counts.most_common(PREFIXES))]


def held_under(content: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """What lies under a path of keys, which may hold dots themselves."""
    if not key:
        return content
    for name, value in content.items():
        if isinstance(value, Mapping) and (key == str(name) or key.startswith(f"{name}.")):
            try:
                return held_under(value, key[len(str(name)) + 1 :])
            except KeyError:
                continue
    raise KeyError(key)


def largest(content: Mapping[str, Any]) -> str:
    """The key under which most numbers lie.

    >>> import torch
    >>> largest({"center": torch.zeros(2), "teacher": {"w": torch.zeros(3, 3)}})
    'teacher'
    """
    sizes = {key: sum(prod(shape) for shape in shapes.values()) for key, shapes in sub_dicts(content)}
    return max(sizes, key=lambda key: sizes[key], default="")
