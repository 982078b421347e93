"""Findings: sentences that explicit rules make from results. Each rule says what it looks at and its threshold."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rftools.reporting.effective_size import effective_share
from rftools.reporting.subject import Subject

if TYPE_CHECKING:
    from rftools.trf.result import LayerField
    from rftools.weights.results import LayerOrientation

PROBLEM, NOTICE, FINE = "problem", "notice", "fine"
ORDER = (PROBLEM, NOTICE, FINE)
NAMED = 4  # layers named in a sentence before "and n more"


@dataclass(frozen=True)
class Finding:
    """One sentence with its figure, the threshold it crossed, the section that shows it, and the layers it names."""

    rule: str
    level: str
    sentence: str
    figure: str
    threshold: str
    section: str
    layers: tuple[str, ...] = ()


@dataclass(frozen=True)
class Limits:
    """The thresholds of the rules."""

    objects: tuple[tuple[int, int], ...] = ()  # (width, height) in pixels that a unit should see whole
    effective_share: float = 0.3  # effective size over theoretical side inside the image
    hole_share: float = 0.1  # of a field's pixels, or of gradient energy
    false_discovery: float = 0.05
    lost_share: float = 0.05  # of a layer's field, in pixels
    accuracy_gap: float = 0.15  # training minus held-out accuracy


Found = Iterator[Finding]


@dataclass(frozen=True)
class Rule:
    """A named rule: which part of a subject it needs, what it asks, and the function that answers."""

    name: str
    part: str
    asks: str
    apply: Callable[[Subject, Limits], Found] = field(repr=False)


RULES: list[Rule] = []


def _rule(name: str, part: str) -> Callable[[Callable[[Subject, Limits], Found]], Callable[[Subject, Limits], Found]]:
    def register(function: Callable[[Subject, Limits], Found]) -> Callable[[Subject, Limits], Found]:
        RULES.append(Rule(name, part, " ".join((function.__doc__ or "").split()), function))
        return function

    return register


def findings(subject: Subject, limits: Limits | None = None) -> list[Finding]:
    """All rules' findings on a subject, problems first; never empty: "nothing found" is a finding too."""
    asked = Limits() if limits is None else limits
    found = [item for rule in RULES if getattr(subject, rule.part) for item in rule.apply(subject, asked)]
    found.sort(key=lambda item: ORDER.index(item.level))
    if not any(item.level != FINE for item in found):
        parts = sorted({rule.part for rule in RULES if getattr(subject, rule.part)})
        words = f"No rule found anything to object to in what is here: {', '.join(parts) or 'nothing'}."
        found.insert(0, Finding("nothing", FINE, words, f"{len(RULES)} rules", "-", "method"))
    return found


def _names(layers: Sequence[str]) -> str:
    shown = ", ".join(name or "(model)" for name in layers[:NAMED])
    return shown + (f" and {len(layers) - NAMED} more" if len(layers) > NAMED else "")


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "s")


def weighted(rows: Iterable[LayerField]) -> list[LayerField]:
    """The rows of convolutions: what has a kernel and a place. A container that ends with one is not counted again."""
    known = list(rows)
    parents = {row.name[:i] for row in known for i, char in enumerate(row.name) if char in "./"}
    if len(known) > 1:
        parents.add("")
    return [row for row in known if row.op.startswith("conv") and row.axes and row.name not in parents]


def _local(row: LayerField) -> bool:
    return bool(row.axes) and not any(axis.global_ or axis.size is None for axis in row.axes)


def _last_local(subject: Subject) -> LayerField | None:
    assert subject.theoretical is not None
    rows = [row for row in subject.theoretical if _local(row)]
    return rows[-1] if rows else None


@_rule("unproductive", "theoretical")
def _unproductive(subject: Subject, limits: Limits) -> Found:
    """Convolutions whose inputs all see more than the whole image already, on every axis: they add depth but no
    new context (Richter et al., arXiv:2106.12307). Any such layer is named."""
    assert subject.theoretical is not None
    rows = weighted(subject.theoretical)
    bad = [row.name for row in rows if row.productive is False]
    if bad:
        yield Finding(
            "unproductive",
            PROBLEM,
            f"{_count(len(bad), 'convolution')} of {len(rows)} cannot add context: even the smallest field of the "
            f"layer's inputs is larger than the image ({_names(bad)}).",
            f"{len(bad)} of {len(rows)}",
            "0",
            "theoretical",
            tuple(bad),
        )


@_rule("clipped", "theoretical")
def _clipped(subject: Subject, limits: Limits) -> Found:
    """Convolutions whose own field is larger than the image on an axis, so that every unit sees padding."""
    assert subject.theoretical is not None
    sides = (subject.input_size or ())[1:]
    rows = [row for row in weighted(subject.theoretical) if len(row.axes) == len(sides)]
    over = [row for row in rows if any((axis.size or 0) > side for axis, side in zip(row.axes, sides, strict=True))]
    if over:
        first = over[0]
        size = max(axis.size or 0 for axis in first.axes)
        yield Finding(
            "clipped",
            NOTICE,
            f"From {first.name} on, fields exceed the image: {size} pixels against {max(sides)}; "
            f"{_count(len(over), 'convolution')} of {len(rows)} look at padding.",
            f"{size} px",
            f"{max(sides)} px",
            "theoretical",
            tuple(row.name for row in over),
        )


@_rule("objects", "theoretical")
def _objects(subject: Subject, limits: Limits) -> Found:
    """For each object size that was asked for: the first convolution whose field holds it whole, or none."""
    assert subject.theoretical is not None
    rows = weighted(subject.theoretical)
    for width, height in limits.objects:
        seeing = [row.name for row in rows if _holds(row, width, height)]
        text = f"{width}x{height}"
        if seeing:
            words = f"An object of {text} pixels first fits into the field of {seeing[0]}."
            yield Finding("objects", FINE, words, seeing[0], f"{text} px", "theoretical", (seeing[0],))
        else:
            words = f"No convolution's field holds an object of {text} pixels."
            yield Finding("objects", PROBLEM, words, "none", f"{text} px", "theoretical")


def _holds(row: LayerField, width: int, height: int) -> bool:
    needed = (height, width)[-len(row.axes) :] if len(row.axes) < 3 else (1, height, width)
    return all(axis.global_ or (axis.size or 0) >= side for axis, side in zip(row.axes, needed, strict=True))


@_rule("misaligned", "theoretical")
def _misaligned(subject: Subject, limits: Limits) -> Found:
    """Layers where branches of different stride or centre meet; their units look at different places at once."""
    assert subject.theoretical is not None
    bad = [row.name for row in subject.theoretical if not row.aligned]
    if bad:
        words = f"Branches meet out of line in {_count(len(bad), 'layer')}: their strides or centres differ"
        yield Finding(
            "misaligned", NOTICE, f"{words} ({_names(bad)}).", _count(len(bad), "layer"), "0", "theoretical", tuple(bad)
        )


@_rule("gridding", "theoretical")
def _gridding(subject: Subject, limits: Limits) -> Found:
    """Holes in the field of the deepest layer that does not see the whole image: pixels inside the window that no
    path reaches. A problem above the limit's share of an axis, a notice below."""
    row = _last_local(subject)
    if row is None:
        return
    shares = [sum(length for _, length in axis.holes) / (axis.size or 1) for axis in row.axes]
    worst = max(shares)
    if worst > 0:
        level = PROBLEM if worst > limits.hole_share else NOTICE
        words = (
            f"The deepest local field ({row.name or 'the model'}) has holes: {100 * worst:.0f} % of its pixels along "
        )
        words += "an axis reach no unit through any path (gridding)."
        limit = f"{100 * limits.hole_share:.0f} %"
        yield Finding("gridding", level, words, f"{100 * worst:.0f} %", limit, "theoretical", (row.name,))


@_rule("unknown", "theoretical")
def _unknown(subject: Subject, limits: Limits) -> Found:
    """Layers whose field is not known, or known only as a bound: figures there are not to be trusted as exact."""
    assert subject.theoretical is not None
    for status, level, words in (
        ("unknown", PROBLEM, "has no known field"),
        ("bound", NOTICE, "has only an upper bound of its field"),
    ):
        rows = [row for row in subject.theoretical if row.status == status]
        if rows:
            cause = f"; the first cause: {rows[0].cause}" if rows[0].cause else ""
            names = tuple(row.name for row in rows)
            sentence = f"{_count(len(rows), 'layer')}: each {words} ({_names(names)}){cause}."
            yield Finding("unknown", level, sentence, str(len(rows)), "0", "theoretical", names)


@_rule("lost field", "theoretical")
def _lost_field(subject: Subject, limits: Limits) -> Found:
    """Pruned layers whose surviving weights reach less of the architecture's field than the limit lets go, counted in
    pixels of the unit's field inside the image, through all layers before it. A problem where nothing is left."""
    assert subject.theoretical is not None
    rows = [(row.surviving.share, row) for row in subject.theoretical if row.surviving is not None]
    lost = sorted((pair for pair in rows if pair[0] < 1 - limits.lost_share), key=lambda pair: pair[0])
    limit = f"{100 * (1 - limits.lost_share):.0f} %"
    if lost:
        words = f"Pruning took field from {_count(len(lost), 'layer')} of {len(rows)}: "
        words += ", ".join(_what_is_left(row) for _, row in lost[:NAMED])
        words += f" and {len(lost) - NAMED} more." if len(lost) > NAMED else "."
        level = NOTICE if lost[0][0] > 0 else PROBLEM
        names = tuple(row.name for _, row in lost)
        yield Finding("lost field", level, words, f"{100 * lost[0][0]:.0f} %", limit, "theoretical", names)
    elif rows:
        least = min(share for share, _ in rows)
        words = f"Pruning left every field of {_count(len(rows), 'layer')} whole, or nearly."
        yield Finding("lost field", FINE, words, f"{100 * least:.0f} %", limit, "theoretical")


def _what_is_left(row: LayerField) -> str:
    assert row.surviving is not None
    whole = [0 if axis.clipped is None else axis.clipped[1] - axis.clipped[0] + 1 for axis in row.axes]
    sizes, before = ("x".join(map(str, sides)) for sides in (row.surviving.sizes, whole))
    spans = f"{sizes} px" if sizes == before else f"{sizes} of {before} px"
    return f"{row.name or 'the model'} keeps {100 * row.surviving.share:.0f} % of its pixels ({spans})"


@_rule("small effective field", "effective")
def _small_effective(subject: Subject, limits: Limits) -> Found:
    """The deepest layer's effective size (the diameter that holds half of the gradient) over its theoretical side
    inside the image, below the limit."""
    assert subject.effective is not None
    rows = [(row, known) for row in subject.effective if (known := effective_share(row)) is not None]
    if not rows:
        return
    row, (share, low, high) = rows[-1]
    spread = "" if low is None or high is None else f" (95 % interval {100 * low:.0f} to {100 * high:.0f} %)"
    if share < limits.effective_share:
        yield Finding(
            "small effective field",
            NOTICE,
            f"{row.name or 'The model'} uses a small part of what it can see: half of the gradient lies within "
            f"{100 * share:.0f} % of the theoretical side{spread}.",
            f"{100 * share:.0f} %",
            f"{100 * limits.effective_share:.0f} %",
            "effective",
            (row.name,),
        )


@_rule("partial", "effective")
def _partial(subject: Subject, limits: Limits) -> Found:
    """Effective fields whose measurement was interrupted: layers or images are missing, and intervals are wider."""
    assert subject.effective is not None
    if subject.effective.partial:
        count = _count(len(subject.effective), "layer")
        words = f"The measurement of effective fields was interrupted: {count} of it are here, and figures may change "
        words += "once it is whole."
        yield Finding("partial", NOTICE, words, count, "the whole", "effective")


@_rule("dead units", "effective")
def _dead_units(subject: Subject, limits: Limits) -> Found:
    """Layers whose unit had no gradient at all: nothing in the input changes it on these images."""
    assert subject.effective is not None
    seen = [row for row in subject.effective if row.images and row.map.size]
    dead = [row.name for row in seen if not row.map.any()]
    if dead:
        words = f"The unit of {_count(len(dead), 'layer')} has no gradient on any image ({_names(dead)})."
        yield Finding("dead units", PROBLEM, words, str(len(dead)), "0", "effective", tuple(dead))


@_rule("dead filters", "sparsity")
def _dead_filters(subject: Subject, limits: Limits) -> Found:
    """Filters without a single weight left: their output is a constant."""
    assert subject.sparsity is not None
    rows = [row for row in subject.sparsity if row.dead_filters]
    total = sum(row.dead_filters for row in rows)
    if total:
        names = tuple(row.name for row in rows)
        words = f"{_count(total, 'filter')} in {_count(len(rows), 'layer')} lost all weights ({_names(names)})."
        yield Finding("dead filters", PROBLEM, words, str(total), "0", "sparsity", names)


@_rule("dead inputs", "sparsity")
def _dead_inputs(subject: Subject, limits: Limits) -> Found:
    """Input channels that no filter of a layer reads any more: the layer before computes them in vain."""
    assert subject.sparsity is not None
    rows = [row for row in subject.sparsity if row.dead_inputs]
    total = sum(row.dead_inputs for row in rows)
    if total:
        names = tuple(row.name for row in rows)
        words = f"{_count(total, 'channel')} in {_count(len(rows), 'layer')} {'is' if total == 1 else 'are'} read by "
        words += f"no filter ({_names(names)})."
        yield Finding("dead inputs", NOTICE, words, str(total), "0", "sparsity", names)


@_rule("anisotropic", "orientation")
def _anisotropic(subject: Subject, limits: Limits) -> Found:
    """Layers whose kernels share a direction beyond chance: the lattice's own null, after Benjamini and Hochberg."""
    assert subject.orientation is not None
    tested = [row for row in subject.orientation if row.q is not None]
    odd = [row for row in tested if row.q is not None and row.q < limits.false_discovery]
    if odd:
        strongest = max(odd, key=lambda row: row.resultant or 0.0)
        words = f"{_count(len(odd), 'layer')} of {len(tested)} {'is' if len(odd) == 1 else 'are'} not isotropic beyond "
        words += f"chance ({_names([row.name for row in odd])}); the strongest, {strongest.name}, points along "
        words += f"{strongest.mean_angle:.0f}° with resultant {strongest.resultant:.2f}."
        limit = f"q < {limits.false_discovery:g}"
        names = tuple(row.name for row in odd)
        yield Finding("anisotropic", NOTICE, words, f"{len(odd)} of {len(tested)}", limit, "orientation", names)
    elif tested:
        yield _isotropic(tested, limits)


def _isotropic(tested: Sequence[LayerOrientation], limits: Limits) -> Finding:
    lowest = min(row.q for row in tested if row.q is not None)
    words = f"No layer of {len(tested)} points anywhere beyond chance (smallest q {lowest:.2g})."
    return Finding("anisotropic", FINE, words, f"q = {lowest:.2g}", f"q < {limits.false_discovery:g}", "orientation")


@_rule("overfitting", "history")
def _overfitting(subject: Subject, limits: Limits) -> Found:
    """Training accuracy above held-out accuracy by more than the limit at the last epoch."""
    last = subject.history[-1]
    train, held_out = last.get("accuracy"), last.get("val_accuracy")
    if train is not None and held_out is not None and train - held_out > limits.accuracy_gap:
        gap = f"{100 * (train - held_out):.0f} points"
        words = f"Accuracy is {100 * train:.0f} % on training data and {100 * held_out:.0f} % on held-out data."
        yield Finding("overfitting", NOTICE, words, gap, f"{100 * limits.accuracy_gap:.0f} points", "training")


@_rule("guessing", "history")
def _guessing(subject: Subject, limits: Limits) -> Found:
    """Held-out accuracy at the last epoch no better than guessing among the classes: other figures mean little."""
    held_out = subject.history[-1].get("val_accuracy")
    classes = len(subject.classes)
    if held_out is not None and classes > 1 and held_out <= 1 / classes:
        words = f"The net guesses: {100 * held_out:.1f} % of held-out data against {100 / classes:.1f} % by chance."
        limit = f"{100 / classes:.1f} %"
        yield Finding("guessing", PROBLEM, words, f"{100 * held_out:.1f} %", limit, "training")
