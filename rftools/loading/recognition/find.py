"""The search: sub-dicts and prefixes of a file's content against the index."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from rftools.loading.recognition.prints import Shapes, print_of

PREFIXES = 60  # that are tried in one sub-dict, those of most tensors first
DEPTH = 4  # levels at which sub-dicts are looked for


@dataclass(frozen=True)
class Match:
    """A net whose tensors, but for those that follow from classes and channels, all are in the file.

    ``key`` and ``prefix`` say where (``state_dict``, ``module.``); ``arguments`` are read off the weights.
    """

    spec: str
    key: str
    prefix: str
    tensors: int
    of: int
    arguments: Mapping[str, int]

    @property
    def usual(self) -> dict[str, int]:
        """The numbers of classes and channels that the builder takes by itself, as far as they are known."""
        return {"num_classes": 1000, "in_chans": 3, "classes": 10}

    @property
    def words(self) -> str:
        """In one line: ``torchvision:resnet18, all 122 tensors fit, 8 classes``."""
        fits = f"all {self.of}" if self.tensors >= self.of else f"{self.tensors} of {self.of}"
        counts = {"num_classes": "classes", "classes": "classes", "channels": "channels", "in_chans": "channels"}
        said = "".join(f", {value} {counts[name]}" for name, value in self.arguments.items())
        where = f" (under {self.key + ': ' if self.key else ''}{self.prefix or 'no prefix'})"
        return f"{self.spec}, {fits} tensors fit{said}{where if self.key or self.prefix else ''}"


@cache
def index() -> dict[str, dict[str, Any]]:
    """``{spec: {"print", "tensors", "flexible"}}`` of the nets that can be recognised; made by `make`."""
    found: dict[str, dict[str, Any]] = json.loads(
        gzip.decompress((Path(__file__).parent / "index.json.gz").read_bytes())
    )
    return found


@cache
def _groups() -> dict[tuple[str, ...], dict[int, list[str]]]:
    """By the names of flexible tensors: print -> specs."""
    groups: dict[tuple[str, ...], dict[int, list[str]]] = {}
    for spec, known in index().items():
        groups.setdefault(tuple(sorted(known["flexible"])), {}).setdefault(known["print"], []).append(spec)
    return groups


def find(content: Mapping[str, Any]) -> list[Match]:
    """The nets that the tensors in ``content`` fit, those that are in it most wholly first.

    Nets that differ in nothing but what has no weights (dilation, padding) all are in the list.
    """
    found: list[Match] = []
    for key, shapes in sub_dicts(content):
        for prefix in prefixes(shapes):
            inner = {name.removeprefix(prefix): shape for name, shape in shapes.items() if name.startswith(prefix)}
            found += _matches(inner, key, prefix)
        if found:
            break
    most = max((match.tensors for match in found), default=0)
    return sorted((match for match in found if match.tensors == most), key=_preference)


def _preference(match: Match) -> tuple[int, str]:
    order = ("rftools", "torchvision", "timm")
    return order.index(match.spec.partition(":")[0]), match.spec


def _matches(shapes: Shapes, key: str, prefix: str) -> Iterator[Match]:
    for flexible, known in _groups().items():
        for spec in known.get(print_of(shapes, flexible), ()):
            wanted = index()[spec]
            arguments = _counts(spec, wanted["flexible"], shapes)
            if arguments is not None:
                present = sum(name in shapes for name in wanted["flexible"])
                missing = len(wanted["flexible"]) - present
                yield Match(spec, key, prefix, wanted["tensors"] - missing, wanted["tensors"], arguments)


NAMES = {"rftools": ("classes", "channels"), "torchvision": ("num_classes", ""), "timm": ("num_classes", "in_chans")}


def _counts(spec: str, flexible: Mapping[str, list[int]], shapes: Shapes) -> dict[str, int] | None:
    """The numbers of classes and channels; None where a shape is none that the net can have."""
    classes, channels = NAMES[spec.partition(":")[0]]
    found: dict[str, set[int]] = {}
    for name, wanted in flexible.items():
        given = shapes.get(name)
        if given is None:
            continue
        if len(given) != len(wanted) or any(w not in (-1, g) for g, w in zip(given, wanted, strict=True)):
            return None
        for axis, size in enumerate(wanted):
            if size == -1:
                found.setdefault(classes if axis == 0 else channels, set()).add(given[axis])
    if any(len(values) > 1 for values in found.values()):
        return None
    return {name: values.pop() for name, values in found.items() if name}


def sub_dicts(content: Mapping[str, Any], key: str = "", depth: int = 0) -> Iterator[tuple[str, Shapes]]:
    """What maps names to tensors inside ``content``, with the path of keys to it; outer ones first."""
    import torch

    tensors = {str(name): tuple(value.shape) for name, value in content.items() if isinstance(value, torch.Tensor)}
    if tensors:
        yield key, unmasked(tensors)
    if depth < DEPTH:
        for name, value in content.items():
            if isinstance(value, Mapping):
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
        parts = name.split(".")
        counts.update(".".join(parts[:n]) + "." for n in range(1, min(len(parts), 5)))
    return ["", *(prefix for prefix, _ in counts.most_common(PREFIXES))]
