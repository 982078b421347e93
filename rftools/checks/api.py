"""`check`: a model against limits, analysed only as far as they ask."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

from rftools._version import __version__
from rftools.arguments import checked
from rftools.checks.against import against as changed
from rftools.checks.limits import Limit, Outcome, evaluate, for_layers, needs
from rftools.erf import effective
from rftools.errors import RequestError
from rftools.files import write_text
from rftools.loading import Model, as_model
from rftools.results import ModelInfo, plain
from rftools.rows import names_of
from rftools.trf import theoretical
from rftools.weights import orientation

if TYPE_CHECKING:
    from typing import Unpack

    from torch import nn
    from torch.utils.data import Dataset

    from rftools.erf.images import ImageSource

Bound = float | Mapping[str, float]
ANALYSES: Mapping[str, Callable[..., Any]] = {
    "theoretical": theoretical,
    "effective": effective,
    "orientation": orientation,
}


class Limits(TypedDict, total=False):
    """A number for the layers that a check is usually of, or ``{"layer4.*": number}`` by name or pattern."""

    min_field: Bound
    max_holes: Bound
    max_unproductive: Bound
    min_effective: Bound
    max_anisotropy: Bound


class Measured(TypedDict, total=False):
    """What `rftools.effective` is told, where a limit asks for effective fields: on what, and where."""

    images: ImageSource | Dataset[Any]
    count: int | None
    device: str
    batch_size: int
    seed: int


class Options(Limits, Measured, total=False):
    """Limits, and what effective fields are measured on."""


@dataclass(frozen=True, repr=False)
class CheckResult:
    """What limits say of a model: an outcome for each limit and layer, and what changed since an earlier result."""

    model: ModelInfo
    outcomes: tuple[Outcome, ...]
    changes: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether every limit holds and nothing has changed; what cannot be computed does not hold."""
        return not self.broken

    @property
    def broken(self) -> tuple[str, ...]:
        """One line for each limit that does not hold, then one for each change."""
        return (*(outcome.line() for outcome in self.outcomes if not outcome.ok), *self.changes)

    def to_dict(self) -> dict[str, Any]:
        """The result as ``rftools check --format json`` has it."""
        content = {
            "schema": {"name": "rftools.check", "version": 1},
            "rftools": __version__,
            "model": dataclasses.asdict(self.model),
            "ok": self.ok,
            "outcomes": [dataclasses.asdict(outcome) for outcome in self.outcomes],
            "changes": list(self.changes),
        }
        found: dict[str, Any] = plain(content)
        return found

    @property
    def verdict(self) -> str:
        """How many limits are broken, or that they hold."""
        number = len(self.outcomes)
        if self.broken or not number:
            return f"{len(self.broken)} broken" if self.broken else "nothing has changed"
        return "the check holds" if number == 1 else f"all {number} checks hold"

    def to_json(self, path: str | Path | None = None) -> str:
        """The result as JSON text; written to ``path`` too where one is given."""
        text = json.dumps(self.to_dict(), indent=1) + "\n"
        if path is not None:
            write_text(path, text)
        return text

    def __repr__(self) -> str:
        return "\n".join([f"<CheckResult of {self.model.name}: {self.verdict}>", *self.broken])


@checked
def check(
    model: Model | nn.Module,
    *,
    layers: Sequence[str] | str | None = None,
    against: str | Path | None = None,
    input_size: tuple[int, ...] | None = None,
    **options: Unpack[Options],
) -> CheckResult:
    """Whether a model keeps limits, layer by layer; what cannot be computed counts as broken.

    ``min_field``: the field's smallest side in input pixels; ``max_holes``: pixels inside a field that no path
    reaches, along an axis; ``max_unproductive=0``: no convolution that cannot add context; ``min_effective``: effective
    size over theoretical side, 0 to 1; ``max_anisotropy``: pooled anisotropy of kernels, 0 to 1. Each is a number, or
    a mapping from layers' names or patterns to numbers. Only what the limits need is analysed.

    Args:
        layers: names or patterns for the limits that name none; by default those that each check is usually of.
        against: an earlier ``rftools trf --json``: every field that differs from it is a change.
        input_size: ``(C, *spatial)``, where the model does not know its own.
        options: limits, and ``images``, ``count``, ``batch_size``, ``device``, ``seed`` of the effective field, where a
            limit asks for it: see `rftools.effective`.

    Raises:
        RequestError: no limit at all, an unknown one, one that is no number, or one that no layer matches.

    >>> import torch
    >>> net = torch.nn.Sequential(torch.nn.Conv2d(1, 1, 3, padding=1))
    >>> check(net, input_size=(1, 8, 8), min_field=5)
    <CheckResult of Sequential: 1 broken>
    min-field: 0: 3 px, the limit is at least 5 px
    """
    given: dict[str, Any] = dict(options)
    limits = {name: given.pop(name) for name in Limits.__annotations__ if name in given}
    asked = for_layers([limit for name, bound in limits.items() for limit in _limits(name, bound)], names_of(layers))
    if not asked and against is None:
        raise RequestError("no limit was given; give one or more, such as min_field=64")
    return keep(as_model(model, input_size), asked, against, **given)


def _limits(name: str, bound: Any) -> list[Limit]:
    key = name.replace("_", "-")
    pairs = bound.items() if isinstance(bound, Mapping) else [(None, bound)]
    return [Limit(key, _number(name, value), pattern) for pattern, value in pairs]


def _number(name: str, value: Any) -> float:
    if not isinstance(value, (int, float)) or value != value:
        raise RequestError(f"{name} takes a number or {{'layer4.*': number}}, not {value!r}")
    return float(value)


def keep(model: Model, limits: Sequence[Limit], base: str | Path | None = None, **how: Unpack[Measured]) -> CheckResult:
    """The outcomes of ``limits`` on ``model`` and what differs from ``base``; only what is needed is analysed.

    ``how`` says on what, and where, effective fields are measured.

    Raises:
        RequestError: a limit that no layer matches; a ``base`` that cannot be read.
    """
    asked = needs(limits) | ({"theoretical"} if base is not None else set())
    own: dict[str, Any] = {"effective": how}
    results: dict[str, Any] = {
        part: analyse(model, **own.get(part, {})) for part, analyse in ANALYSES.items() if part in asked
    }
    changes = () if base is None else tuple(changed(results["theoretical"], base))
    return CheckResult(model.info(), tuple(evaluate(results, limits)), changes)
