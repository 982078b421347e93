"""Schedules of sparsity over training, and how they are written.

Sparsity is the share of weights set to zero; what is kept is its complement. The definition is that of
tensorflow-model-optimization (Zhu and Gupta 2017, arXiv:1710.01878).
"""

from __future__ import annotations

import dataclasses
import re
from dataclasses import dataclass
from typing import Any

from rftools.errors import RequestError, closest

SCOPES = ("layer", "global")
KINDS = ("constant", "polynomial", "set", "rigl", "movement")
RAMPS = ("polynomial", "movement")  # from a sparsity to another
GROWING = ("set", "rigl", "movement")  # see `rftools.models.training.regrowth`
FORMS = (
    "constant:SPARSITY@begin=T[,end=T] or polynomial:FROM->TO@T..T (likewise set:SPARSITY@begin=T, "
    "rigl:SPARSITY@T..T, movement:FROM->TO@T..T), T in steps, or in epochs as 2e"
)
_SCHEDULE = re.compile(r"(?P<kind>\w+)(?::(?P<shares>[^@]*))?@(?P<times>.+)")
_TIMES = re.compile(r"(?:begin=)?(?P<begin>[^.,=][^,=]*?)(?:(?:\.\.|,end=)(?P<end>[^,=]+))?")


def parse_share(given: str | float, what: str = "sparsity") -> float:
    """A share from 0 to 1.

    Raises:
        RequestError: it is no number or lies outside; 25 is told from 0.25.

    >>> parse_share("0.25")
    0.25
    """
    text = str(given).strip()
    try:
        value = float(text.removesuffix("%"))
    except ValueError:
        raise RequestError(f"{what} {text!r} is no number; it takes a share from 0 to 1, such as 0.9") from None
    if text.endswith("%") or 1 < value <= 100:
        raise RequestError(f"{what} {text} is no share from 0 to 1; for {value:g} % write {value / 100:g}")
    if not 0 <= value <= 1:
        raise RequestError(f"{what} {text} lies outside 0 to 1; it is the share of weights, such as 0.9")
    return value


@dataclass(frozen=True)
class Time:
    """A moment or a span of training, in steps or in epochs."""

    number: float
    epochs: bool = False

    def steps(self, per_epoch: int) -> int:
        """In steps, where an epoch has ``per_epoch`` of them."""
        return round(self.number * per_epoch) if self.epochs else int(self.number)


def parse_time(text: str, what: str) -> Time:
    """``200`` (steps) or ``2e``, ``2 epochs`` (epochs).

    >>> parse_time("2.5e", "begin").steps(per_epoch=100)
    250
    """
    found = re.fullmatch(r"(\d+)|(\d+(?:\.\d+)?)\s*(?:e|epochs?)", text.strip())
    if found is None:
        raise RequestError(f"{what} {text.strip()!r} is no time: steps as 200, epochs as 2e")
    return Time(float(found[1] or found[2]), found[1] is None)


@dataclass(frozen=True)
class Schedule:
    """Sparsity over steps, counted from 0. Masks are renewed at step ``t`` when ``begin <= t <= end`` and
    ``t - begin`` divides by ``every``; without ``end`` they never freeze.

    Constant, SET and RigL: ``final``. Polynomial and movement: ``final + (initial - final) (1 - (t - begin) / (end -
    begin))^3``.

    >>> ramp = Schedule("polynomial", initial=0.0, final=0.8, begin=10, end=30, every=10)
    >>> [(t, round(ramp.at(t), 3)) for t in range(60) if ramp.due(t)]
    [(10, 0.0), (20, 0.7), (30, 0.8)]
    """

    kind: str
    initial: float
    final: float
    begin: int
    end: int | None
    every: int

    def due(self, step: int) -> bool:
        """Whether masks are renewed at ``step``."""
        return self.begin <= step <= (step if self.end is None else self.end) and (step - self.begin) % self.every == 0

    def at(self, step: int) -> float:
        """The sparsity that masks renewed at ``step`` have."""
        if self.kind not in RAMPS or self.end is None:
            return self.final
        done = min(max((step - self.begin) / max(self.end - self.begin, 1), 0.0), 1.0)
        return self.final + (self.initial - self.final) * (1 - done) ** 3

    def towards(self, final: float) -> Schedule:
        """The same schedule with an end of its own, for one layer."""
        return dataclasses.replace(self, final=final, initial=min(self.initial, final))


@dataclass(frozen=True)
class Pruning:
    """What is asked for: ``schedule`` in words (``constant:0.5@begin=200``, ``polynomial:0.0->0.9@2e..8e``), ``every``
    so many steps (or epochs), a threshold a layer or one for all (``scope``), and which layers: convolutions and linear
    ones that match a pattern of ``layers`` (``PATTERN`` or ``PATTERN=SPARSITY``), depthwise ones only if ``depthwise``.
    ``keep`` is the share that stays, for a schedule that leaves out its sparsity (``constant@begin=200``).
    """

    schedule: str
    every: str = "20"
    scope: str = "layer"
    layers: tuple[str, ...] = ()
    depthwise: bool = False
    keep: float | None = None

    def check(self) -> None:
        """Raise `RequestError` for what no training could follow."""
        self.in_steps(per_epoch=1_000_000)  # an epoch so long that no fraction of it is nought
        if self.scope not in SCOPES:
            raise RequestError(f"no scope {self.scope!r}; there are {' and '.join(SCOPES)}")
        own = [share for _, share in map(parse_pattern, self.layers) if share is not None]
        if self.scope == "global" and self.schedule.partition(":")[0].partition("@")[0] in GROWING:
            raise RequestError(f"{self.schedule} has a threshold a layer; leave out scope global")
        if own and self.scope == "global":
            raise RequestError("a global threshold has one sparsity for all; leave out =SPARSITY, or take scope layer")

    def in_steps(self, per_epoch: int) -> Schedule:
        """The schedule in steps, where an epoch has ``per_epoch`` of them."""
        found = _SCHEDULE.fullmatch(self.schedule.strip())
        if found is None or found["kind"] not in KINDS:
            kind = self.schedule.split(":")[0].split("@")[0]
            hint = "" if kind in KINDS else closest(kind, KINDS)
            raise RequestError(f"no schedule {self.schedule!r}{hint}; write {FORMS}")
        times = _TIMES.fullmatch(found["times"].strip())
        if times is None or (found["kind"] in (*RAMPS, "rigl") and times["end"] is None):
            raise RequestError(f"schedule {self.schedule!r} does not say when; write {FORMS}")
        begin = parse_time(times["begin"], "begin").steps(per_epoch)
        end = None if times["end"] is None else parse_time(times["end"], "end").steps(per_epoch)
        if end is not None and end < begin:
            raise RequestError(f"schedule {self.schedule!r} ends (step {end}) before it begins (step {begin})")
        every = parse_time(self.every, "--prune-every").steps(per_epoch)
        if every < 1:
            raise RequestError(
                f"--prune-every is {self.every}; it takes a whole number of steps from 1, or epochs (1e)"
            )
        return Schedule(found["kind"], *self._shares(found["kind"], found["shares"]), begin, end, every)

    def _shares(self, kind: str, text: str | None) -> tuple[float, float]:
        """Sparsity at the beginning and at the end."""
        if self.keep is not None:
            if text is not None:
                raise RequestError(
                    f"the schedule has a sparsity ({text}) and --keep is {self.keep:g}; give one of them, "
                    f"such as {self.schedule.replace(':' + text, '')} with --keep"
                )
            final = 1 - parse_share(self.keep, "--keep")
            return (0.0 if kind in RAMPS else final), final
        if text is None:
            raise RequestError(f"schedule {self.schedule!r} has no sparsity, and there is no --keep; write {FORMS}")
        shares = [parse_share(part) for part in text.split("->")]
        if len(shares) != (2 if kind in RAMPS else 1):
            raise RequestError(f"schedule {self.schedule!r} has {len(shares)} sparsities; write {FORMS}")
        return shares[0], shares[-1]

    def recorded(self) -> dict[str, Any]:
        """As plain values under the names of the options."""
        return {"prune": self.schedule, **{f"prune_{n}": v for n, v in vars(self).items() if n != "schedule"}}


def parse_pattern(text: str) -> tuple[str, float | None]:
    """``PATTERN`` or ``PATTERN=SPARSITY``.

    >>> parse_pattern("features.*=0.8")
    ('features.*', 0.8)
    """
    pattern, equals, share = text.rpartition("=")
    return (pattern, parse_share(share)) if equals else (text, None)
