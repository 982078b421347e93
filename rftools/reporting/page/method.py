"""How a page came about: when, by what, on what, with which thresholds."""

from __future__ import annotations

import platform
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import metadata
from typing import Any

from rftools._version import __version__
from rftools.reporting.findings import Thresholds
from rftools.reporting.subject.subject import Subject
from rftools.reporting.texts import say


@dataclass(frozen=True)
class Provenance:
    """How the page came about: the command, and the seconds its analyses took."""

    command: str | None
    analysis_seconds: float


def method(subject: Subject, limits: Thresholds, provenance: Provenance) -> list[tuple[str, str]]:
    facts = made(provenance)
    if subject.model.weights is not None:
        facts.append((say("summary.weights"), subject.model.weights))
    if subject.sources:
        facts.append((say("method.sources"), ", ".join(subject.sources)))
    if subject.seconds:
        each = ", ".join(f"{part} {seconds:.1f} s" for part, seconds in subject.seconds.items())
        facts.append((say("method.time"), say("method.time_value", all=provenance.analysis_seconds, each=each)))
    memory = memory_at_most()
    if memory is not None:
        facts.append((say("method.memory"), say("method.memory_value", megabytes=memory)))
    if subject.effective is not None:
        facts += effective_method(subject)
    if subject.orientation is not None:
        facts.append(
            (
                say("method.orientation"),
                say("method.orientation_value", mass=subject.orientation.mass, seed=subject.orientation.seed),
            )
        )
    facts.append((say("method.thresholds"), thresholds(limits)))
    return facts


def memory_at_most() -> float | None:
    """The most memory that this process has held so far, in megabytes; None where the system does not say."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    unit = 1e6 if sys.platform == "darwin" else 1e3  # macOS counts bytes, Linux kilobytes
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


def made(provenance: Provenance) -> list[tuple[str, str]]:
    """When, by which command, with which versions, on what."""
    facts = [(say("method.made"), time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()))]
    facts.append((say("method.command"), provenance.command or say("method.python")))
    names = ("torch", "numpy", "scipy", "matplotlib")
    versions = ", ".join(f"{name} {metadata.version(name)}" for name in names)
    facts.append((say("method.versions"), f"rftools {__version__}, {versions}, Python {platform.python_version()}"))
    return [*facts, (say("method.machine"), f"{platform.system()} {platform.machine()}")]


def effective_method(subject: Subject) -> list[tuple[str, str]]:
    """What the effective field was measured on, and how."""
    result = subject.effective
    assert result is not None
    rows: Sequence[Any] = result.layers
    facts = [
        (
            say("method.effective"),
            say("method.effective_value", source=result.source or say("method.unnamed"), seed=result.seed),
        )
    ]
    if rows:
        facts.append(
            (
                say("method.aggregation"),
                say("method.aggregation_value", aggregation=rows[0].aggregation, images=rows[0].images),
            )
        )
    if result.interval:
        facts.append((say("method.interval"), result.interval))
    if result.skipped:
        facts.append((say("method.skipped"), f"{len(result.skipped)}"))
    return facts


def thresholds(limits: Thresholds) -> str:
    """The limits that the findings used, in words."""
    return say(
        "method.thresholds_value",
        effective=100 * limits.effective_share,
        oriented=100 * limits.oriented_share,
        holes=100 * limits.hole_share,
        lost=100 * limits.lost_share,
        q=limits.false_discovery,
        gap=100 * limits.accuracy_gap,
    )
