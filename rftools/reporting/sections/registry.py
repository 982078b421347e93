"""What a section of the page is: the part of a subject that it shows, how that is made, drawn, tabled and compared."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from rftools.capture import capture
from rftools.errors import RequestError
from rftools.reporting.drawing.figures import Figure
from rftools.reporting.drawing.series import EpochFigure
from rftools.reporting.subject.subject import Subject
from rftools.reporting.texts import text_or
from rftools.runtime.listening import Listener

if TYPE_CHECKING:
    from rftools.capture import Graph
    from rftools.loading import Model


@dataclass(frozen=True)
class Value:
    """A layer's figure with its interval, None where there is none."""

    value: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Quantity:
    """A figure that every layer of a part has: how it is read, named and measured, and over what it is compared.

    ``rows`` chooses the rows of the part, all by default; ``whole`` is what every row of a model has where that is
    known without its row; ``step`` is what a row is: a layer or an epoch.
    """

    part: str
    key: str
    title: str
    unit: str | None
    read: Callable[[Any], Value | None]
    rows: Callable[[Any], Iterable[Any]] = iter
    whole: Callable[[Subject], Value | None] = lambda subject: None
    step: str = "layer"
    beside_image: bool = False


@dataclass
class Analyses:
    """What is known of a model so far: results by part, why others are missing, and what each took.

    ``options`` are those of `rftools.effective`, None where that is left out.
    """

    options: Mapping[str, Any] | None = None
    results: dict[str, Any] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    listener: Listener = field(default_factory=Listener)
    graph: Graph | None = None

    def graph_of(self, model: Model) -> Graph:
        """The model's graph, captured once for all parts."""
        if self.graph is None:
            self.graph = capture(model.module, inputs=[model.require_input_size(), *model.other_inputs])
        return self.graph

    @property
    def insisted(self) -> set[str]:
        """The parts that the user spoke of by naming images, layers or a grid: a page without them does not serve."""
        given = {key for key, value in (self.options or {}).items() if value is not None}
        asked = ({"effective"} if given & {"images", "layers"} else set()) | ({"units"} if "grid" in given else set())
        return asked if "theoretical" in self.results else set()


@dataclass(frozen=True)
class Section:
    """One section: everything that the page needs of it.

    ``analyse`` makes its result from a model, after the parts in ``needs``; None where nothing is to be analysed, or
    with `RequestError` where it cannot be. ``schema`` is that of its result, ``kind`` the class to read one back
    (``module:Class``). ``notes`` are keys of what is missing that this section says. Of one that is not ``shown``
    others show the result. Its words stand in the texts under its part, or come with it in ``words``:
    heading, lead, remedy, saved_remedy, empty.
    """

    part: str
    figures: Callable[[Subject], Sequence[Figure]] = lambda subject: ()
    analyse: Callable[[Model, Analyses], Any] | None = None
    needs: tuple[str, ...] = ()
    schema: str | None = None
    kind: str | None = None
    quantities: tuple[Quantity, ...] = ()
    courses: tuple[EpochFigure, ...] = ()
    notes: tuple[str, ...] = ()
    anchor: str = ""
    frames: Callable[[Subject], Sequence[Mapping[str, Any]]] = lambda subject: ()
    words: Mapping[str, str] = field(default_factory=dict)
    shown: bool = True

    @property
    def place(self) -> str:
        """The section's anchor on the page."""
        return self.anchor or self.part

    def say(self, word: str) -> str:
        """One of the section's words; nothing where it has none."""
        return self.words.get(word) or text_or(TABLES[word], self.part)


#: word of a section -> the table of the texts that holds it by part
TABLES = {
    "heading": "sections",
    "lead": "leads",
    "remedy": "remedies",
    "saved_remedy": "saved_remedies",
    "empty": "empty",
}
SECTIONS: list[Section] = []


def register(section: Section) -> Section:
    """Add a section to the page, after those that are there.

    Raises:
        RequestError: there is a section of that part.
    """
    if any(known.part == section.part for known in SECTIONS):
        raise RequestError(f"there is a section of {section.part!r} already")
    SECTIONS.append(section)
    return section


def quantities() -> list[Quantity]:
    """What models are compared by, of all sections."""
    return [quantity for section in SECTIONS for quantity in section.quantities]


def courses() -> list[EpochFigure]:
    """What a run is followed by, of all sections."""
    return [course for section in SECTIONS for course in section.courses]


def parts(readable: bool = False) -> dict[str, str]:
    """Schema name -> the part of a subject that a result of it fills; only those that are read back from files."""
    return {s.schema: s.part for s in SECTIONS if s.schema is not None and (s.kind is not None or not readable)}
