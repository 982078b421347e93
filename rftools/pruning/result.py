"""What `rftools.pruning.prune` says of what it did."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from rftools.pruning.left import LeftAlone
from rftools.results import Result, plain
from rftools.rows import ShownRow

NAMED = 3  # of the weights that were left alone for one reason


@dataclass(frozen=True, repr=False)
class PrunedLayer(ShownRow):
    """One layer: of ``weights`` ``kept`` are left, ``sparsity`` is the share that is zero; ``taps[n]`` kernels have n.

    ``score`` is the kept share of the sum of scores. ``anisotropy`` is the mean over filters of the anisotropy of
    their pooled inertia, None where kernels are not flat.
    """

    name: str
    weights: int
    kept: int
    sparsity: float
    taps: tuple[int, ...]
    score: float
    anisotropy: float | None = None
    note: str | None = None


@dataclass(frozen=True, repr=False)
class PruneResult(Result[PrunedLayer]):
    """What pruning did, layer by layer; ``parameters`` and ``remaining`` count biases and norms too."""

    SCHEMA: ClassVar[tuple[str, int]] = ("rftools.prune", 1)

    method: str = "magnitude"
    scope: str = "layer"
    parameters: int = 0
    pictures: str | None = None
    history: tuple[dict[str, Any], ...] = ()
    left: tuple[LeftAlone, ...] = ()

    @property
    def weights(self) -> int:
        """How many weights the pruned layers have."""
        return sum(row.weights for row in self.layers)

    @property
    def kept(self) -> int:
        """How many of them are left."""
        return sum(row.kept for row in self.layers)

    @property
    def sparsity(self) -> float:
        """The share of them that is zero."""
        return 1 - self.kept / self.weights

    @property
    def remaining(self) -> int:
        """How many of the net's parameters are left, those that are never pruned included."""
        return self.parameters - self.weights + self.kept

    def remarks(self) -> tuple[str, ...]:
        """Which weights were left alone, and why."""
        why: dict[str, list[LeftAlone]] = {}
        for own in self.left:
            why.setdefault(own.why, []).append(own)
        return tuple(f"left alone: {_named(own)} ({reason})" for reason, own in why.items())

    def _body(self) -> dict[str, Any]:
        return {
            "method": self.method,
            "scope": self.scope,
            "pictures": self.pictures,
            "parameters": self.parameters,
            "remaining": self.remaining,
            "weights": self.weights,
            "kept": self.kept,
            "sparsity": self.sparsity,
            "layers": [plain(row) for row in self.layers],
            "finetuning": plain(list(self.history)),
            "left_alone": plain(list(self.left)),
        }

    def columns(self) -> tuple[str, ...]:
        return ("layer", "weights", "kept", "keep", "sparsity", "score kept", "anisotropy", "note")

    def records(self) -> Sequence[Sequence[Any]]:
        rows: list[Sequence[Any]] = [
            (r.name, r.weights, r.kept, 1 - r.sparsity, r.sparsity, r.score, r.anisotropy, r.note or "")
            for r in self.layers
        ]
        return [*rows, ("(total)", self.weights, self.kept, 1 - self.sparsity, self.sparsity, None, None, "")]


def _named(left: Sequence[LeftAlone]) -> str:
    names = ", ".join(own.name or "(the net itself)" for own in left[:NAMED])
    more = f" and {len(left) - NAMED} more" if len(left) > NAMED else ""
    return f"{names}{more}, {sum(own.weights for own in left)} weights"
