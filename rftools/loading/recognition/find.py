"""The search: sub-dicts and prefixes of a file's content against the index."""

from __future__ import annotations

import dataclasses
import gzip
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from rftools.loading.recognition.counts import counts
from rftools.loading.recognition.names import USUAL, WORDS
from rftools.loading.recognition.parts import Part, parts

ORDER = tuple(WORDS)  # of libraries, where one net is in several


@dataclass(frozen=True)
class Match:
    """A net whose tensors, but for those that follow from classes, channels and image size, all are in the file.

    ``key`` and ``prefix`` say where (``state_dict``, ``module.``); ``arguments`` are read off the weights; ``also`` are
    other keys under which the same net lies, ``same`` other nets with the same tensors.
    """

    spec: str
    key: str
    prefix: str
    tensors: int
    of: int
    arguments: Mapping[str, Any]
    also: tuple[str, ...] = ()
    same: tuple[str, ...] = ()

    @property
    def source(self) -> str:
        return self.spec.partition(":")[0]

    @property
    def usual(self) -> dict[str, int]:
        """The numbers of classes and channels that the builder takes by itself."""
        classes, channels, _ = WORDS[self.source]
        return dict(zip((classes, channels), USUAL[self.source], strict=True))

    @property
    def words(self) -> str:
        """In one line: ``torchvision:resnet18, all 122 tensors fit, 8 classes``."""
        fits = f"all {self.of}" if self.tensors >= self.of else f"{self.tensors} of {self.of}"
        called = dict(zip(WORDS[self.source], ("classes", "channels", "pixels a side"), strict=True))
        channels = WORDS[self.source][1]
        told = {name: value for name, value in self.arguments.items() if (name, value) != (channels, 3)}
        one = {"classes": "class", "channels": "channel"}
        said = "".join(
            f", {n} {one.get(called[name], called[name]) if n == 1 else called[name]}" for name, n in told.items()
        )
        where = f" (under {self.key + ': ' if self.key else ''}{self.prefix or 'no prefix'})"
        also = f"; it lies under {', '.join(self.also[:3])} too (--key)" if self.also else ""
        same = f"; {', '.join(self.same[:3])} {'has' if len(self.same) == 1 else 'have'} the same tensors (--model)"
        return f"{self.spec}, {fits} tensors fit{said}{where if self.key or self.prefix else ''}{also}" + (
            same if self.same else ""
        )


@cache
def index() -> dict[str, dict[str, Any]]:
    """``{spec: entry}`` of the nets that can be recognised; made by `make`, whose `entry` says what is in one."""
    packed = (Path(__file__).parent / "index.json.gz").read_bytes()
    found: dict[str, dict[str, Any]] = json.loads(gzip.decompress(packed))
    return found


@dataclass(frozen=True)
class Group:
    """The nets whose flexible tensors and heads have the same names: print -> specs, and that without the heads."""

    flexible: tuple[str, ...]
    heads: tuple[str, ...]
    whole: dict[int, list[str]]
    headless: dict[int, list[str]]


@cache
def groups() -> tuple[Group, ...]:
    """The index by the names of flexible tensors."""
    found: dict[tuple[tuple[str, ...], tuple[str, ...]], Group] = {}
    for spec, known in index().items():
        names = tuple(sorted(known["flexible"])), tuple(known.get("heads", ()))
        group = found.setdefault(names, Group(*names, {}, {}))
        group.whole.setdefault(known["print"], []).append(spec)
        if group.heads:
            group.headless.setdefault(known.get("backbone", known["print"]), []).append(spec)
    return tuple(found.values())


def find(content: Mapping[str, Any], key: str | None = None, prefix: str | None = None) -> list[Match]:
    """The nets that the tensors in ``content`` fit, those that are in it most wholly first; one of each build.

    Nets that differ in nothing but what has no weights (dilation, padding) all are in the list. ``key`` and ``prefix``
    say where alone to look.
    """
    found = list(_searched(content, key, prefix, 1))
    if not found:
        return []
    most = max((match.tensors, -match.of) for match in found)
    best = [match for match in found if (match.tensors, -match.of) == most]
    elsewhere = tuple(dict.fromkeys(match.key for match in best if match.key != best[0].key))
    first = [dataclasses.replace(match, also=elsewhere) for match in best if match.key == best[0].key]
    return list(_of_each_build(sorted(first, key=_preference)))


def all_matches(content: Mapping[str, Any], key: str | None = None, prefix: str | None = None) -> list[Match]:
    """Every net of the index that lies somewhere in ``content``."""
    return list(_searched(content, key, prefix, 0))


def _searched(content: Mapping[str, Any], key: str | None, prefix: str | None, least: int) -> Iterator[Match]:
    """Every net of the index in ``content``, where one was found before of ``least`` of its tensors and more."""
    first: Match | None = None
    most = 0
    for part in parts(content, key, prefix):
        beside = first is None or part.key == first.key or part.prefix == first.prefix
        if beside and len(part.shapes) >= least * most:
            for match in _matches(part):
                first, most = first or match, max(most, match.tensors)
                yield match


def listed(found: Sequence[Match], names: Sequence[str] = ()) -> list[Match]:
    """What is left to choose from: the one net that ``names`` say, where they say one; torchvision's own where the
    others are variants of it in another library (they are named as ``same``).
    """
    named = [match for match in found if match.spec in names or match.spec.partition(":")[2] in names]
    if len(named) == 1:
        return named
    own = [match for match in found if match.source == "torchvision"]
    if len(own) == 1 and len({match.source for match in found}) > 1:
        return [dataclasses.replace(own[0], same=tuple(match.spec for match in found if match is not own[0]))]
    return list(found)


def _of_each_build(found: Iterable[Match]) -> Iterator[Match]:
    """One of each, the first; torchvision's and timm's of one name and the same tensors are the same net."""
    seen: set[Any] = set()
    for match in found:
        known = {index()[match.spec]["build"], match.spec.partition(":")[2].removeprefix("tv_")}
        if not known & seen:
            yield match
        seen |= known


def _preference(match: Match) -> tuple[Any, ...]:
    """The library's order, nets as they are built by themselves, those of the image size of the file, short names."""
    side = match.arguments.get(WORDS[match.source][2])
    usual = index()[match.spec].get("input", (0, 0))[1:2] in ([side], [])
    return ORDER.index(match.source), "?" in match.spec, side is not None and not usual, len(match.spec), match.spec


def _matches(part: Part) -> Iterator[Match]:
    for group in groups():
        outside = part.total - sum(part.hashes.get(name, 0) for name in group.flexible)
        whole = list(_looked_up(part, group.whole, outside, _tops(part, group)))
        for spec, extra in whole or _headless(part, group):
            entry = index()[spec]
            arguments = counts(spec, entry, part.shapes)
            if arguments is not None:
                fits = _fitting(part, entry, extra) if whole else len(part.without([*group.heads, *extra]))
                yield Match(spec, part.key, part.prefix, fits, entry["tensors"], arguments)


def _fitting(part: Part, entry: Mapping[str, Any], extra: tuple[str, ...]) -> int:
    missing = sum(name not in part.shapes for name in entry["flexible"])
    return int(entry["tensors"]) - missing


def _tops(part: Part, group: Group) -> list[str]:
    """The parts of the file that may lie beside a net: none with a flexible tensor of it."""
    held = {name.partition(".")[0] for name in group.flexible if name in part.hashes}
    return [top for top in part.tops if top not in held]


def _headless(part: Part, group: Group) -> Iterator[tuple[str, tuple[str, ...]]]:
    """The nets that the file holds but for their heads, or with others in their place."""
    if not group.headless:
        return
    flexible = sum(part.hashes.get(name, 0) for name in group.flexible if name.partition(".")[0] not in group.heads)
    outside = part.total - flexible - sum(part.tops.get(head, 0) for head in group.heads)
    yield from _looked_up(part, group.headless, outside, [top for top in _tops(part, group) if top not in group.heads])


def _looked_up(
    part: Part, known: Mapping[int, list[str]], outside: int, tops: list[str]
) -> Iterator[tuple[str, tuple[str, ...]]]:
    """The nets of a print, with what else of the file's has to be left aside for it."""
    for extra in ((), *((top,) for top in tops)):
        print_ = (outside - sum(part.tops[top] for top in extra)) % (1 << 64)
        for spec in known.get(print_, ()) if print_ else ():
            yield spec, extra
