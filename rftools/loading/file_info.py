"""What `info` answers: the facts of a file, as JSON and in words."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rftools._version import __version__
from rftools.files import write_text
from rftools.loading.model import Normalisation
from rftools.results import plain

NAMED = 12  # names of a pickle that the table shows


@dataclass(frozen=True)
class Architecture:
    """Which net it is, how that is known, and how many of its tensors are in the file; ``spec`` is None where several
    fit.
    """

    spec: str | None
    how: str
    fits: int | None = None
    of: int | None = None


@dataclass(frozen=True, repr=False)
class FileInfo:
    """What a file says of itself. ``dtypes`` counts tensors; ``globals`` are the names in its pickle, none of which is
    imported; ``masks`` the layers that have a pruning mask, ``parametrised`` those whose weight is worked out of
    others; ``sources`` says where input size and normalisation are from; ``tensors`` maps names to shapes.
    """

    spec: str
    format: str
    architecture: Architecture | None
    parameters: int
    dtypes: Mapping[str, int]
    classes: int | None
    input_size: tuple[int, ...] | None
    normalisation: Normalisation | None
    masks: tuple[str, ...]
    globals: tuple[str, ...]
    sha256: str | None
    bytes: int | None = None
    epoch: int | None = None
    writer: str | None = None
    parametrised: tuple[str, ...] = ()
    sources: Mapping[str, str] = dataclasses.field(default_factory=dict)
    tensors: Mapping[str, tuple[int, ...]] = dataclasses.field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it: everything but the list of tensors."""
        body = {name: value for name, value in dataclasses.asdict(self).items() if name != "tensors"}
        return {"schema": {"name": "rftools.info", "version": 1}, "rftools": __version__} | body

    def to_json(self, path: str | Path | None = None) -> str:
        """The same as text; written to ``path`` too where one is given."""
        text = json.dumps(plain(self.to_dict()), indent=1, allow_nan=False) + "\n"
        if path is not None:
            write_text(path, text)
        return text

    def rows(self) -> list[tuple[str, str]]:
        """What is known, in words."""
        found = self.architecture
        fits = f", {found.fits} of {found.of} tensors fit" if found and found.of else ""
        norm = self.normalisation
        given = {
            "format": self.format,
            "written by": self.writer,
            "architecture": found and f"{found.spec or 'several'} ({found.how}{fits})",
            "parameters": f"{self.parameters:,}",
            "dtypes": ", ".join(f"{name} ({count})" for name, count in self.dtypes.items()),
            "classes": self.classes,
            "input size": self.input_size and "x".join(map(str, self.input_size)) + self._source("input_size"),
            "normalisation": norm
            and f"mean {_listed(norm.mean)}, standard deviation {_listed(norm.std)}" + self._source("normalisation"),
            "masks": ", ".join(self.masks),
            "parametrised": ", ".join(self.parametrised),
            "epoch": self.epoch,
            "names in the pickle": _some(self.globals),
            "bytes": self.bytes and f"{self.bytes:,}",
            "sha256": self.sha256,
        }
        return [(name, str(value)) for name, value in given.items() if value not in (None, "")]

    def _source(self, name: str) -> str:
        return f" ({self.sources[name]})" if name in self.sources else ""

    def __repr__(self) -> str:
        return "\n".join(f"{name}: {value}" for name, value in [("spec", self.spec), *self.rows()])


def _some(names: tuple[str, ...]) -> str:
    more = len(names) - NAMED
    return ", ".join(names[:NAMED]) + (f" and {more} more (--json FILE has all)" if more > 0 else "")


def _listed(values: tuple[float, ...]) -> str:
    return " ".join(f"{value:.4g}" for value in values)
