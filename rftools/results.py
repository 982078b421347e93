"""What every analysis returns: a frozen result that knows its model, its rows, its JSON, and how to be shown."""

from __future__ import annotations

import dataclasses
import importlib
import json
import math
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Generic, NamedTuple, TypeVar

from rftools._version import __version__
from rftools.errors import RequestError, no_layer
from rftools.files import write_text
from rftools.rows import Row, as_text, only
from rftools.tables import lines

if TYPE_CHECKING:
    from typing import Self

    import pandas as pd


@dataclass(frozen=True)
class ModelInfo:
    """Which model a result speaks of; ``sha256`` is that of its file, null where there was none or it
    had changed since it was read.

    ``weights`` says where weights that are from no file came from: ``random, seed 0``. ``left_out`` names operators of
    an ONNX file that are not read; the net ends before them. ``fit`` says how a file's tensors fit the net, where that
    is to be said: which net they were recognised as, what is missing, left over or of another shape.
    """

    spec: str
    name: str
    sha256: str | None
    parameters: int
    weights: str | None = None
    left_out: tuple[str, ...] = ()
    fit: str | None = None


class Grouped(NamedTuple):
    """A finer table than one row a layer."""

    columns: tuple[str, ...]
    records: Sequence[Sequence[Any]]


MOST_SHOWN = 60  # rows of a result that its text form shows
R = TypeVar("R", bound=Row)


@dataclass(frozen=True, repr=False)
class Result(Generic[R]):
    """Base of all results. Sub-classes add their own fields, set ``SCHEMA`` and keep ``repr=False``.

    ``result["layer1.0"]`` is that layer's row and ``result[0]`` the first one's; ``"layer1.0" in result``, ``keys()``
    and ``get`` speak of layers' names; iteration runs over the rows in execution order.
    """

    SCHEMA: ClassVar[tuple[str, int]]

    model: ModelInfo
    input_size: tuple[int, ...] | None
    layers: tuple[R, ...]

    def __getitem__(self, name: str | int) -> R:
        if isinstance(name, int):
            return self._at(name)
        for row in self.layers:
            if row.name == name:
                return row
        if not isinstance(name, str):
            raise RequestError(f"a layer is named by text or its place, not by {type(name).__name__}")
        raise no_layer(name, [row.name for row in self.layers])

    def _at(self, place: int) -> R:
        if not -len(self.layers) <= place < len(self.layers):
            raise RequestError(f"no layer {place}; there are {len(self.layers)}, from 0")
        return self.layers[place]

    def __contains__(self, layer: object) -> bool:
        """Whether there is a layer of that name, or that row."""
        return any(row.name == layer or row is layer for row in self.layers)

    def keys(self) -> tuple[str, ...]:
        """The layers' names, in execution order."""
        return tuple(row.name for row in self.layers)

    def get(self, name: str, default: Any = None) -> R | Any:
        """The row of a layer, or ``default`` where there is none of that name."""
        return next((row for row in self.layers if row.name == name), default)

    def only(self, *patterns: str) -> Self:
        """The same result with the rows of layers of these names or patterns (``layer4.*``); all where there is none.

        Raises:
            RequestError: a pattern that no layer matches.
        """
        return dataclasses.replace(self, layers=only(self.layers, patterns)) if patterns else self

    def __iter__(self) -> Iterator[R]:
        return iter(self.layers)

    def __len__(self) -> int:
        return len(self.layers)

    def to_dict(self) -> dict[str, Any]:
        """The result as the JSON contract has it: plain lists, dicts, numbers and None."""
        name, version = self.SCHEMA
        head: dict[str, Any] = {
            "schema": {"name": name, "version": version},
            "rftools": __version__,
            "model": dataclasses.asdict(self.model),
            "input_size": None if self.input_size is None else list(self.input_size),
        }
        return head | self._body()

    def _body(self) -> dict[str, Any]:
        """The analysis' own part of the JSON object."""
        raise NotImplementedError

    def to_json(self, path: str | Path | None = None) -> str:
        """The result as JSON text; written to ``path`` too where one is given."""
        text = json.dumps(plain(self.to_dict()), indent=1, allow_nan=False) + "\n"
        if path is not None:
            write_text(path, text)
        return text

    def columns(self) -> tuple[str, ...]:
        """The columns of `table`, in order."""
        raise NotImplementedError

    def records(self) -> Sequence[Sequence[Any]]:
        """The rows of `table`: one sequence a layer, raw values in raw units."""
        raise NotImplementedError

    def remarks(self) -> tuple[str, ...]:
        """Sentences that stand below the table."""
        return ()

    def table(self) -> pd.DataFrame:
        """The result as a pandas table, one row a layer, raw values in raw units."""
        import pandas as pd

        return pd.DataFrame(list(self.records()), columns=list(self.columns()))

    def plot(self, backend: str = "matplotlib", **options: Any) -> Any:
        """Draw the result: a matplotlib or a plotly figure.

        The drawing layer lies above this one and knows results, not the other way round; so it is looked up by
        name when a figure is asked for.
        """
        return importlib.import_module("rftools.plots").plot(self, backend=backend, **options)

    def explore(self, *others: Result[Any], picture: str | Path | None = None) -> Any:
        """The report's explorer as the output of a notebook's cell: any unit's field, under the mouse or the keyboard.

        ``others`` are further results of the same model that belong onto it: ``fields.explore(effective)`` shows what
        units can see and what they do see. ``picture`` is an image file to draw fields on. What is returned has
        ``.save("explorer.html")`` too. Looked up by name, as `plot` is.

        Raises:
            RequestError: results of several models, or nothing that can be explored.
        """
        return importlib.import_module("rftools.reporting").explore([self, *others], picture=picture)

    def _repr_html_(self) -> str:
        return self._shown().to_html(index=False, border=0, escape=True)

    def _shown(self) -> pd.DataFrame:
        """The table with ``-`` for what there is not, whole numbers whole, and no column that is empty throughout."""
        columns, records = list(self.columns()), list(self.records())
        kept = [k for k in range(len(columns)) if k == 0 or any(record[k] not in (None, "") for record in records)]
        import pandas as pd

        rows = [[as_text(record[k]) for k in kept] for record in records]
        return pd.DataFrame(rows, columns=[columns[k] for k in kept])

    def __repr__(self) -> str:
        number = len(self.layers)
        head = f"<{type(self).__name__} of {self.model.name}: {number} layer{'s' * (number != 1)}>"
        records = list(self.records())
        left_out = max(len(records) - MOST_SHOWN, 0)
        texts = [[as_text(value) for value in record] for record in records[: MOST_SHOWN if left_out else None]]
        table = lines(self.columns(), texts, None, shutil.get_terminal_size().columns, ".table()") if texts else []
        return "\n".join([head, *table, *([f"and {left_out} more rows (.table() has all)"] if left_out else [])])


def plain(value: Any) -> Any:
    """``value`` with tuples as lists, numpy and torch scalars as Python's, and NaN and infinities as None.

    >>> plain({"a": (1, float("nan"))})
    {'a': [1, None]}
    """
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return plain(dataclasses.asdict(value))
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
