"""Results from files: what the commands' ``--json`` wrote, and the maps that ``--npz`` wrote, read back."""

from __future__ import annotations

import dataclasses
import importlib
import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from rftools.errors import RequestError
from rftools.loading.model import check_input
from rftools.reading import read_arrays, read_json
from rftools.reporting.sections import SECTIONS, parts
from rftools.reporting.sources.typed import Unfit, build
from rftools.results import Result

if TYPE_CHECKING:
    from numpy.typing import NDArray

SUFFIXES = (".json", ".npz")
#: schemas of objects that hold several such results
WRAPPERS = {"rftools.several": 1, "rftools.report": 1}


def is_saved(spec: str | Path) -> bool:
    """Whether a path names what a command wrote, rather than a model.

    >>> is_saved("trf.json"), is_saved("best.pt"), is_saved("torchvision:resnet18")
    (True, False, False)
    """
    return Path(spec).suffix.lower() in SUFFIXES


@dataclass(frozen=True)
class Saved:
    """One model's results as files hold them; ``sources`` are the files' names and which rftools wrote them."""

    results: tuple[Result[Any], ...]
    sources: tuple[str, ...]


def read_saved(paths: Sequence[str | Path]) -> Saved:
    """The results of one model that ``rftools trf|erf|sparsity|orientation --json`` (or ``report --json``) wrote,
    effective ones with the maps of an ``--npz`` where its file is among ``paths``.

    Raises:
        RequestError: a file that is none of these, not whole or of another version, or files of several models.
    """
    found: list[tuple[Path, Result[Any]]] = []
    sources = []
    files = [Path(path) for path in paths]
    for path in (path for path in files if not _holds_maps(path)):
        for body in _objects(path):
            result = _result(body, path)
            if found:
                _check_same(found[0], (path, result))
            found.append((path, result))
        sources.append(f"{path.name} (rftools {body.get('rftools', 'unknown')})")
    results = [result for _, result in found]
    for path in (path for path in files if _holds_maps(path)):
        results = _with_maps(results, path)
        sources.append(path.name)
    return Saved(tuple(results), tuple(sources))


def _holds_maps(path: Path) -> bool:
    return path.suffix.lower() == ".npz"


def _objects(path: Path) -> list[Mapping[str, Any]]:
    """The results that a file holds: one, or those of a file of several or of a report's."""
    body = read_json(path, way_out="write it again")
    name, known = _checked(body, path), parts(readable=True)
    found = [body] if name in known else _list(body, "results")
    if name == "rftools.report":
        models = [model for model in _list(body, "models") if isinstance(model, Mapping)]
        found = [model[part] for model in models for part in known.values() if model.get(part) is not None]
    for part in found:
        _checked(part, path)
    if not found:
        raise RequestError(f"{path} holds no result that a report could show")
    return found


def _checked(body: Any, path: Path) -> str:
    """The name of an object's schema, where it is one that a report reads, in a version that it reads."""
    try:
        name, version = str(body["schema"]["name"]), body["schema"]["version"]
    except (KeyError, TypeError):
        raise RequestError(f"{path} is no result of rftools: it has no schema; give what --json wrote") from None
    known = parts(readable=True)
    ours = _kind(name).SCHEMA[1] if name in known else WRAPPERS.get(name)
    if ours is None:
        verbs = ", ".join(name.removeprefix("rftools.") for name in known)
        raise RequestError(f"{path} holds {name}, which a report does not show; it reads the --json of {verbs}")
    if version != ours:
        words = f"{path} holds {name} version {version}; this rftools reads version {ours}"
        raise RequestError(f"{words}: write it again (it is from rftools {body.get('rftools', 'unknown')})")
    return name


def _kind(name: str) -> type[Result[Any]]:
    """A schema's class, which is imported when a file has it."""
    section = next(section for section in SECTIONS if section.schema == name)
    module, _, kind = str(section.kind).partition(":")
    found: type[Result[Any]] = getattr(importlib.import_module(module), kind)
    return found


def _result(body: Mapping[str, Any], path: Path) -> Result[Any]:
    try:
        found: Result[Any] = build(_kind(body["schema"]["name"]), _as_written(body))
    except Unfit as error:
        raise RequestError(f"{path} is no whole result: {error}; write it again") from None
    if found.input_size is not None:
        check_input(found.input_size, f"{path}: its input size")
    return found


def _as_written(body: Mapping[str, Any]) -> dict[str, Any]:
    """The JSON's keys under the names of the result's fields."""
    given = dict(body)
    if body["schema"]["name"] == "rftools.erf":
        images = given.get("images")
        given.update(images if isinstance(images, Mapping) else {})
        given["events"], given["draws"] = given.get("notes") or [], given.get("random_weights")
        if isinstance(given.get("layers"), list):
            given["layers"] = [_effective_row(row) if isinstance(row, dict) else row for row in given["layers"]]
    return given


def _effective_row(row: dict[str, Any]) -> dict[str, Any]:
    """A row's map is in the NPZ, and here its key there; its unit may be a token that has no place."""
    named = {"unit": [], "token": row["unit"]} if isinstance(row.get("unit"), str) else {}
    return row | {"map": [], "grid": row.get("token_grid")} | named


def _list(body: Mapping[str, Any], key: str) -> list[Any]:
    found = body.get(key)
    return found if isinstance(found, list) else []


def _check_same(first: tuple[Path, Result[Any]], other: tuple[Path, Result[Any]]) -> None:
    """Raise `RequestError` unless two files speak of one model and one input size."""
    (path, one), (place, two) = first, other
    if _identity(one) != _identity(two):
        words = f"{path} is of {one.model.name} and {place} of {two.model.name} ({_what_differs(one, two)})"
        raise RequestError(f"{words}; a report of results is of one model: give the models' files to compare them")
    if None not in (one.input_size, two.input_size) and one.input_size != two.input_size:
        sizes = ["x".join(map(str, result.input_size or ())) for result in (one, two)]
        raise RequestError(f"{path} is for inputs of {sizes[0]} and {place} of {sizes[1]}; a report is for one size")


def _identity(result: Result[Any]) -> tuple[Any, ...]:
    """The file's hash where there is one, so that a moved file stays the same model; else all that is known."""
    model = result.model
    return (model.sha256,) if model.sha256 else (None, model.spec, model.parameters, model.weights)


def _what_differs(one: Result[Any], two: Result[Any]) -> str:
    readings: tuple[tuple[str, Callable[[Any], Any]], ...] = (
        ("parameters", lambda model: f"{model.parameters:,}"),
        ("weights", lambda model: model.weights or "a file's"),
        ("spec", lambda model: model.spec),
        ("SHA-256", lambda model: str(model.sha256)[:12]),
    )
    for name, read in readings:
        if read(one.model) != read(two.model):
            return f"{name}: {read(one.model)} and {read(two.model)}"
    return "their files differ"


def _with_maps(results: Sequence[Result[Any]], path: Path) -> list[Result[Any]]:
    """The results, the effective one with the maps of an NPZ."""
    effective = [i for i, result in enumerate(results) if result.SCHEMA[0] == "rftools.erf"]
    if not effective:
        raise RequestError(f"{path} holds maps; give the --json that `rftools erf` wrote with it too")
    kept, result = list(results), results[effective[0]]
    maps = _arrays(path)
    rows = list(zip(typing.cast(Any, result).keys(), result.layers, strict=True))
    shape = tuple(result.input_size or ())[1:]
    if any(row.images and (key not in maps or maps[key].shape != shape) for key, row in rows):
        raise RequestError(f"{path} does not hold the maps of {result.model.name}'s effective fields, one a layer")
    given = tuple(dataclasses.replace(row, map=maps[key]) if row.images else row for key, row in rows)
    kept[effective[0]] = dataclasses.replace(result, layers=given)
    return kept


def _arrays(path: Path) -> dict[str, NDArray[np.float64]]:
    words = "is no whole NPZ of arrays (write it again with rftools erf --npz)"
    return {key: np.asarray(value, dtype=np.float64) for key, value in read_arrays(path, words).items()}
