"""What a study answers: differences with their intervals, what field and parameters explain, the article's doubts."""

from __future__ import annotations

import itertools
import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pandas as pd

RESAMPLES = 2000


@dataclass(frozen=True)
class Answer:
    """A question and what the runs say to it; ``text`` is None where they leave it open."""

    question: str
    text: str | None

    @property
    def told(self) -> str:
        return self.text or "Left open: the runs that would tell are not in these results."


def accuracies(results: pd.DataFrame, row: str) -> NDArray[np.float64]:
    """Held-out accuracies of a row, in per cent, a seed each."""
    return 100 * results.loc[(results["row"] == row) & results["error"].isna(), "accuracy"].dropna().to_numpy(float)


def difference(results: pd.DataFrame, first: str, second: str) -> str | None:
    """How the accuracies of two rows differ: points, with the 95 % interval of Welch's t over seeds."""
    a, b = accuracies(results, first), accuracies(results, second)
    if not len(a) or not len(b):
        return None
    points = a.mean() - b.mean()
    head = f"{first} {a.mean():.1f} %, {second} {b.mean():.1f} %: {points:+.1f} points"
    if (ends := _ends(a, b)) is None:
        return f"{head} (one seed: no interval)"
    verdict = "" if ends[0] > 0 or ends[1] < 0 else "; seeds differ by as much"
    return f"{head} (95 % interval {ends[0]:+.1f} to {ends[1]:+.1f}{verdict})"


def _ends(a: NDArray[np.float64], b: NDArray[np.float64]) -> tuple[float, float] | None:
    """Welch's 95 % interval of how much the first mean is above the second; None of one seed, or of equal ones."""
    if min(len(a), len(b)) < 2 or (a.std() == 0 and b.std() == 0):
        return None
    from scipy.stats import ttest_ind

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # of seeds that are nearly the same
        found = ttest_ind(a, b, equal_var=False).confidence_interval()
    return float(found.low), float(found.high)


def ranking(results: pd.DataFrame, rows: tuple[str, ...]) -> str | None:
    """Rows by their mean accuracy, best first; None where one is missing."""
    means = {row: accuracies(results, row) for row in rows}
    if any(not len(values) for values in means.values()):
        return None
    order = sorted(rows, key=lambda row: -means[row].mean())
    shown = [f"{means[row].mean():.1f} %" for row in order]
    signs = [" = " if one == two else " > " for one, two in itertools.pairwise(["", *shown])]
    said = "".join(f"{sign}{row} ({mean})" for sign, row, mean in zip(signs, order, shown, strict=True))
    return said.removeprefix(" > ")


def surely(results: pd.DataFrame, first: str, second: str) -> bool:
    """Whether the first row's accuracy is above the second's by more than seeds differ (Welch's 95 % interval)."""
    ends = _ends(accuracies(results, first), accuracies(results, second))
    return ends is not None and ends[0] > 0


def standing(results: pd.DataFrame) -> str | None:
    """The rows by accuracy, best first, and how many pairs of them differ by more than seeds do."""
    rows = [row for row in dict.fromkeys(results["row"]) if len(accuracies(results, row))]
    order = ranking(results, tuple(rows))
    if order is None or len(rows) < 2:
        return None
    best = sorted(rows, key=lambda row: -accuracies(results, row).mean())
    pairs = list(itertools.combinations(best, 2))
    clear = sum(surely(results, *pair) for pair in pairs)
    return (
        f"{order}. Of the {len(pairs)} pairs {clear} differ by more than their seeds do (95 % interval above nothing)."
    )


@dataclass(frozen=True)
class Effect:
    """What a doubling goes with, at the other's same value: points of accuracy with the 95 % interval."""

    name: str
    points: float
    low: float
    high: float


def explained(results: pd.DataFrame, field: str) -> tuple[Effect, Effect] | None:
    """Accuracy by least squares on log2 of a field and of parameters: ``acc = a + b log2 field + c log2 parameters``.

    The interval is the bootstrap's over nets, all seeds of a net together; None where fewer than five nets differ.

    Source: cluster bootstrap, Cameron, Gelbach, Miller 2008, doi:10.1162/rest.90.3.414.
    """
    own = results[results["error"].isna() & (results["sparsity"].fillna(0) == 0)].dropna(subset=[field, "accuracy"])
    nets = sorted(own["row"].unique())
    if len(nets) < 5 or own[field].nunique() < 2 or own["parameters"].nunique() < 2:
        return None
    parts = [_columns(own[own["row"] == net], field) for net in nets]
    whole = _fitted(parts)
    draw = np.random.default_rng(0)
    drawn = [_fitted([parts[k] for k in draw.integers(0, len(parts), len(parts))]) for _ in range(RESAMPLES)]
    ends = np.nanquantile(np.array(drawn), (0.025, 0.975), axis=0)
    names = (field, "parameters")
    first, second = (Effect(names[k], whole[k], ends[0, k], ends[1, k]) for k in range(2))
    return first, second


def _columns(own: pd.DataFrame, field: str) -> NDArray[np.float64]:
    return np.stack([100 * own["accuracy"], np.log2(own[field]), np.log2(own["parameters"])], 1).astype(float)


def _fitted(parts: list[NDArray[np.float64]]) -> tuple[float, float]:
    """Slopes of field and parameters; NaN where the drawn nets can't tell them apart."""
    rows = np.concatenate(parts)
    left = np.column_stack([np.ones(len(rows)), rows[:, 1:]])
    if np.linalg.matrix_rank(left) < 3:
        return np.nan, np.nan
    slopes = np.linalg.lstsq(left, rows[:, 0], rcond=None)[0]
    return float(slopes[1]), float(slopes[2])


def spanning_pairs(side: int = 3) -> tuple[int, int]:
    """How many masks of two taps span the whole kernel, and how many there are.

    >>> spanning_pairs()
    (2, 36)
    """
    places = list(itertools.product(range(side), repeat=2))
    masks = list(itertools.combinations(places, 2))
    spans = [all(abs(p[axis] - q[axis]) == side - 1 for axis in (0, 1)) for p, q in masks]
    return sum(spans), len(masks)


def doubts(tables: dict[str, Any]) -> list[Answer]:
    """The article's six doubts, each answered in a sentence with numbers, or left open."""
    return [Answer(question, tell(tables)) for question, tell in DOUBTS]


def _same_field(tables: dict[str, Any]) -> str | None:
    own = tables["results"]
    sizes = {
        row: own.loc[own["row"] == row, "theoretical"].dropna().unique() for row in ("dilated", "large", "cascade")
    }
    said = difference(own, "dilated", "dilated, field 21")
    if said is None or any(len(found) != 1 for found in sizes.values()):
        return None
    fields = ", ".join(f"{row} {found[0]:.0f}" for row, found in sizes.items())
    return f"The fields are not the same: {fields} px. With dilations 1, 2, 3, 4 the field is 21: {said}."


def _readings(tables: dict[str, Any]) -> str | None:
    own = tables["results"]
    zero = ranking(own, ("cascade, 25 % zero", "large, 15 % zero", "dilated"))
    kept = ranking(own, ("cascade, 75 % zero", "large, 85 % zero", "dilated"))
    if zero is None or kept is None:
        return None
    wanted = ("cascade", "large", "dilated")
    fits = [name for name, order in (("set to zero", zero), ("kept", kept)) if _heads(order) == wanted]
    which = " and ".join(fits) or "neither"
    said = f"Share set to zero: {zero}. Share kept: {kept}. The article's ranking follows from: {which}"
    steps = [("cascade, 75 % zero", "large, 85 % zero"), ("large, 85 % zero", "dilated")]
    steps += [("cascade, 25 % zero", "large, 15 % zero"), ("large, 15 % zero", "dilated")]
    sure = any(surely(own, *pair) or surely(own, *pair[::-1]) for pair in steps)
    return f"{said}." if sure else f"{said}; but no two neighbours differ by more than their seeds do."


def _heads(order: str) -> tuple[str, ...]:
    return tuple(part.split(",")[0].split(" (")[0] for part in re.split(" [>=] ", order))


def _begin(tables: dict[str, Any]) -> str | None:
    own = tables["results"]
    found = [difference(own, f"{net} zero", f"{net} zero, late") for net in ("cascade, 75 %", "large, 85 %")]
    return None if None in found else f"Begun at 20 % against 31.25 % of the training: {'; '.join(map(str, found))}."


def _taps(tables: dict[str, Any]) -> str | None:
    spans, masks = spanning_pairs()
    head = f"{spans} of the {masks} masks of two taps span the 3 x 3 box, and all {masks} are lines"
    layers = tables["layers"]
    if "full_box" not in layers:
        return f"{head}; no pruned run here."
    own = layers[layers["row"] == "cascade, 2 taps"]
    if not len(own):
        return f"{head}; no run with two taps here."
    share = 100 * own["full_box"].sum() / own["kernels"].sum()
    results = tables["results"]
    left = results.loc[results["row"] == "cascade, 2 taps", "surviving"].dropna()
    ends = f"{left.min():.0f}" if left.nunique() == 1 else f"{left.min():.0f} to {left.max():.0f}"
    field = f"; what survives of the last convolution's field is {ends} px" if len(left) else ""
    return f"{head}. Of the trained kernels {share:.1f} % span it (chance {100 * spans / masks:.1f} %){field}."


def _near_zero(tables: dict[str, Any]) -> str | None:
    layers = tables["layers"]
    if "near_zero" not in layers or not layers["near_zero"].notna().any():
        return None
    own = layers.dropna(subset=["near_zero"])
    share = 100 * own.groupby("layer")["near_zero"].mean()
    limit = own["near_zero_below"].median()
    found = f"{share.min():.1f} to {share.max():.1f} % of a layer's weights"
    return f"Below {limit:.2g} (the median of the layers' thresholds) lie {found}."


def _strides(tables: dict[str, Any]) -> str | None:
    own = tables["results"]
    found = [difference(own, "dilated, field 17", "strided"), difference(own, "dilated", "strided, field 31")]
    if None in found:
        return None
    return f"At field 17: {found[0]}. At field 31: {found[1]}. What is left at one field is the stride's own part."


DOUBTS: tuple[tuple[str, Callable[[dict[str, Any]], str | None]], ...] = (
    ("Do the article's three nets have the same receptive field?", _same_field),
    ("Is its pruned share the share set to zero, or the share kept?", _readings),
    ("Does it matter that pruning began later than said?", _begin),
    ("Do two taps keep the field of a 3 x 3 kernel?", _taps),
    ("Are half of all kernel weights near zero?", _near_zero),
    ("Does down-sampling lose information, or only field?", _strides),
)
