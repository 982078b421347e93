"""Limits that a net must keep, each checked layer by layer; what cannot be computed counts as broken."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rftools.checks.layers import weighted
from rftools.checks.sizes import effective_share
from rftools.errors import RequestError, closest, shown
from rftools.reading import read_toml
from rftools.rows import matching


@dataclass(frozen=True)
class Limit:
    """One limit: the check's name, its value, and which layers it is for (None: the check's own choice)."""

    check: str
    value: float
    pattern: str | None = None


@dataclass(frozen=True)
class Outcome:
    """What one limit says of one layer; ``value`` is None where it could not be computed, which is not ``ok``.

    ``reason`` then says why.
    """

    check: str
    layer: str
    value: float | None
    limit: float
    unit: str
    ok: bool
    reason: str | None = None

    def line(self) -> str:
        """The outcome as one line.

        >>> Outcome("min-field", "conv4", 31.0, 64.0, "px", False).line()
        'min-field: conv4: 31 px, the limit is at least 64 px'
        """
        word = "at least" if self.check.startswith("min") else "at most"
        why = f" ({self.reason})" if self.reason else ""
        value = f"cannot be computed{why}" if self.value is None else _with_unit(self.value, self.unit)
        return (
            f"{self.check}: {self.layer or '(model)'}: {value}, the limit is {word} {_with_unit(self.limit, self.unit)}"
        )


def _with_unit(value: float, unit: str) -> str:
    return f"{value:.4g} {unit}".rstrip() if math.isfinite(value) else "the whole image"


@dataclass(frozen=True)
class Check:
    """How a check reads a layer: from which part, in which unit, and whether it is for the deepest layer only."""

    part: str
    unit: str
    deepest: bool
    holds: Callable[[float, float], bool]
    read: Callable[[Any], float | None]
    help: str


def _size(row: Any) -> float | None:
    if row.status in ("unknown", "bound") or not row.axes:
        return None  # an upper bound does not show that a field is large enough
    if any(axis.size is None and not axis.global_ for axis in row.axes):
        return None
    return min(math.inf if axis.global_ else float(axis.size) for axis in row.axes)


def _holes(row: Any) -> float | None:
    if row.status in ("unknown", "bound") or not row.axes:
        return None
    return float(max(sum(length for _, length in axis.holes) for axis in row.axes))


def _unproductive(row: Any) -> float | None:
    return None if row.productive is None else float(not row.productive)


def _share(row: Any) -> float | None:
    known = effective_share(row)
    return None if known is None else known[0]


def _anisotropy(row: Any) -> float | None:
    return None if row.pooled is None else float(row.pooled.anisotropy)


CHECKS: Mapping[str, Check] = {
    "min-field": Check(
        "theoretical",
        "px",
        True,
        operator.ge,
        _size,
        "Smallest side of the field (default: of the deepest convolution).",
    ),
    "max-holes": Check(
        "theoretical", "px", False, operator.le, _holes, "Pixels inside a field that no path reaches, along an axis."
    ),
    "max-unproductive": Check(
        "theoretical", "", False, operator.le, _unproductive, "1 for a convolution that cannot add context."
    ),
    "min-effective": Check(
        "effective",
        "",
        True,
        operator.ge,
        _share,
        "Effective size over theoretical side (default: of the deepest layer).",
    ),
    "max-anisotropy": Check(
        "orientation", "", False, operator.le, _anisotropy, "Pooled anisotropy of the kernels, 0 to 1."
    ),
}


def for_layers(limits: Sequence[Limit], layers: Sequence[str]) -> list[Limit]:
    """The limits, those that name no layers once for each of these names or patterns.

    >>> [limit.pattern for limit in for_layers([Limit("min-field", 3), Limit("max-holes", 0, "a")], ["b", "c*"])]
    ['b', 'c*', 'a']
    """
    found = [(limit, (limit.pattern,) if limit.pattern is not None else tuple(layers) or (None,)) for limit in limits]
    return [replace(limit, pattern=pattern) for limit, patterns in found for pattern in patterns]


def needs(limits: Sequence[Limit]) -> set[str]:
    """The analyses that the limits ask for."""
    return {CHECKS[limit.check].part for limit in limits}


def evaluate(results: Mapping[str, Any], limits: Sequence[Limit]) -> list[Outcome]:
    """Every limit on every layer that it is for; ``results`` are the analyses' by their parts, as `needs` names them.

    Raises:
        RequestError: a limit that no layer matches.
    """
    outcomes = []
    for limit in limits:
        check = CHECKS[limit.check]
        for row in _rows(results, limit, check):
            value = check.read(row)
            ok = value is not None and not math.isnan(value) and check.holds(value, limit.value)
            reason = _reason(row) if value is None else None
            outcomes.append(Outcome(limit.check, row.name, value, limit.value, check.unit, ok, reason))
    return outcomes


def _reason(row: Any) -> str | None:
    """Why a layer's figure is not known."""
    status = getattr(row, "status", None)
    if status == "bound":
        return "the field is known as an upper bound only"
    if status == "unknown":
        return f"unknown field: {row.cause}" if row.cause else "unknown field"
    return getattr(row, "note", None)


def _rows(results: Mapping[str, Any], limit: Limit, check: Check) -> list[Any]:
    every = list(results.get(check.part) or ())
    if limit.pattern is not None:
        names = matching(limit.pattern, [row.name for row in every])
        if not names:
            hint = closest(limit.pattern, [row.name for row in every])
            raise RequestError(f"no layer matches {limit.pattern!r} of --{limit.check}{hint}; there are {len(every)}")
        return [row for row in every if row.name in names]
    rows: list[Any] = weighted(every) if check.part == "theoretical" else every
    if check.part == "orientation":
        rows = [row for row in rows if row.kernels and row.note is None]  # 1x1 kernels have no direction
    if check.deepest and check.part == "theoretical":
        rows = rows[-1:]
    elif check.deepest:
        rows = [row for row in rows if row.theoretical.get("axes")][-1:]
    if not rows:
        raise RequestError(f"no layer here is one that --{limit.check} could be asked of")
    return rows


def parse_limit(check: str, text: str) -> Limit:
    """``64`` or ``PATTERN=64``.

    >>> parse_limit("min-field", "layer4.*=64")
    Limit(check='min-field', value=64.0, pattern='layer4.*')
    """
    pattern, equals, number = text.rpartition("=")
    try:
        value = float(number)
    except ValueError:
        value = math.nan
    if math.isnan(value):
        raise RequestError(f"--{check} takes a number or LAYERS=NUMBER, such as 64 or layer4.*=64, not {text!r}")
    return Limit(check, value, pattern if equals else None)


def read_limits(path: str | Path) -> list[Limit]:
    """Limits of a TOML file: ``check = number``, or ``check = {"layers" = number, ...}``.

    Raises:
        RequestError: no such file, no TOML, a check that there is not, or a limit that is no number.
    """
    limits = []
    for name, value in read_toml(path).items():
        if name not in CHECKS:
            raise RequestError(f"{path}: no check {name!r}; there are {', '.join(CHECKS)}")
        pairs = value.items() if isinstance(value, dict) else [(None, value)]
        limits += [Limit(name, _number(f"{path}: {name}", number), layers) for layers, number in pairs]
    return limits


def _number(what: str, value: Any) -> float:
    """A limit's value; a whole number of any length is one."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or value != value:
        raise RequestError(f'{what} takes a number or {{"layer4.*" = number}}, not {shown(value)}')
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf
