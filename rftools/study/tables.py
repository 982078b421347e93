"""The tables of a study: runs, their epochs, their layers, the layers' directions; as CSV, with pyarrow as Parquet."""

from __future__ import annotations

import io
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rftools.errors import RequestError
from rftools.files import atomic_write, write_text
from rftools.models.tasks import TASKS
from rftools.study.run import Record

if TYPE_CHECKING:
    import pandas as pd

RESULTS = (
    "net", "row", "seed", "data", "accuracy", "loss", "border_accuracy", "parameters", "nonzero", "macs", "theoretical",
    "effective", "effective_low", "effective_high", "surviving", "behavioural", "behavioural_low", "behavioural_high",
    "sparsity", "rftools", "key", "error",
)  # fmt: skip
WHOSE = ("net", "row", "seed", "key")
PARTS = ("results", "epochs", "layers", "roses")


def unit_of(results: pd.DataFrame) -> str:
    """What fields are counted in: pixels, or samples where nets learned sequences."""
    units = {TASKS[name].unit if name in TASKS else "px" for name in set(results["data"])}
    return units.pop() if len(units) == 1 else "px"


def frames(records: Sequence[Record]) -> dict[str, pd.DataFrame]:
    """The four tables. A run that failed has a row with its reason."""
    import pandas as pd

    found = {"results": pd.DataFrame([{name: record.get(name) for name in RESULTS} for record in records])}
    for part in PARTS[1:]:
        rows = [{name: record[name] for name in WHOSE} | own for record in records for own in record.get(part, ())]
        found[part] = pd.DataFrame(rows) if rows else pd.DataFrame(columns=list(WHOSE))
    return found


def write(folder: Path, tables: dict[str, Any]) -> None:
    """``results.csv``, ``epochs.csv``, ``layers.csv``, ``roses.csv``, and the same as Parquet where that can be."""
    for name, table in tables.items():
        write_text(folder / f"{name}.csv", table.to_csv(index=False, lineterminator="\n"))
        if find_spec("pyarrow") is not None:
            stream = io.BytesIO()
            table.to_parquet(stream, index=False)
            with atomic_write(folder / f"{name}.parquet") as target:
                target.write(stream.getvalue())


def read(folder: Path) -> dict[str, Any]:
    """The tables that `write` left.

    Raises:
        RequestError: they are not there, or hold something else.
    """
    import pandas as pd

    found = {}
    for name in PARTS:
        file = folder / f"{name}.csv"
        if not file.is_file():
            raise RequestError(f"{folder} holds no {name}.csv; `rftools study PLAN -o {folder}` makes it")
        try:
            found[name] = pd.read_csv(file)
        except (ValueError, pd.errors.ParserError) as error:
            raise RequestError(f"{file} is no table of a study: {error}") from None
    missing = [name for name in RESULTS if name not in found["results"]]
    if missing:
        raise RequestError(f"{folder}/results.csv has no column {missing[0]}: another version of rftools wrote it")
    return found
