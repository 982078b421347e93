"""A user's own net: ``package.module:factory`` or ``file.py:factory``, imported because the user says so."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import inspect
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rftools.errors import RequestError, closest, reason
from rftools.loading.model import Model, whole_size
from rftools.reading import regular

NAMED = 8  # definitions that a refusal names


def from_own_code(spec: str, **arguments: Any) -> Model:
    """What the factory of ``spec`` gives; a module that lies there under that name is taken as it is.

    Raises:
        RequestError: no such file, module or name; code that fails; what it gives is no module.
    """
    from torch import nn

    place, _, name = spec.rpartition(":")
    if not name:
        raise RequestError(f"{spec} names nothing in {place}{defined_in(_source_of(place))}")
    module = _import_file(Path(place)) if place.endswith(".py") else _import_module(place, spec)
    with _of_others(spec):
        factory = getattr(module, name, None)
    if factory is None:
        public = [each for each in vars(module) if not each.startswith("_")]
        raise RequestError(f"{place} has no {name!r}{closest(name, public)}{defined_in(_source_of(place))}")
    made = factory if isinstance(factory, nn.Module) else _called(factory, spec, arguments)
    if not isinstance(made, nn.Module):
        raise RequestError(f"{spec} gives a {type(made).__name__}, not a torch.nn.Module")
    with _of_others(spec):
        size = getattr(made, "input_size", None)
    return Model(made, spec, name, whole_size(tuple(size), made) if isinstance(size, (tuple, list)) else None)


def defined_in(path: Path | None) -> str:
    """The end of a line about a name that a file lacks: which functions and classes it has. The file is not run.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = Path(folder, "mynet.py")
    ...     _ = file.write_text("class Net: ...\\ndef build(): ...\\ndef _helper(): ...")
    ...     defined_in(file)
    '; it defines Net, build'
    """
    try:
        tree = ast.parse(path.read_bytes()) if path else None
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError):
        return ""
    kinds = (ast.FunctionDef, ast.ClassDef)
    names = [each.name for each in (tree.body if tree else []) if isinstance(each, kinds) and each.name[0] != "_"]
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return f"; it defines {', '.join(names[:NAMED])}{more}" if names else ""


def _source_of(place: str) -> Path | None:
    """Where the code of a spec's first part lies, as far as that can be told without running it."""
    if place.endswith(".py"):
        return Path(place)
    if place in sys.modules:
        origin = getattr(sys.modules[place], "__file__", None)
        return Path(origin) if origin else None
    try:
        with _first_on_the_path(Path.cwd()):
            found = importlib.util.find_spec(place)
    except (ImportError, ValueError, AttributeError):
        return None
    return Path(found.origin) if found and found.origin and found.has_location else None


def _called(factory: Any, spec: str, arguments: dict[str, Any]) -> Any:
    if not callable(factory):
        raise RequestError(f"{spec} is a {type(factory).__name__}, neither a module nor a function that makes one")
    try:
        inspect.signature(factory).bind(**arguments)
    except ValueError:  # a function whose signature is not known
        pass
    except TypeError as error:
        how = "with " + ", ".join(arguments) if arguments else "without arguments"
        raise RequestError(f"{spec} could not be called {how}: {reason(error)}") from error
    with _of_others(spec):
        return factory(**arguments)


@contextmanager
def _of_others(spec: str) -> Iterator[None]:
    """Inside the block somebody's code runs: whatever it raises (an end of the program, too) is one line."""
    try:
        yield
    except (RequestError, KeyboardInterrupt):
        raise
    except BaseException as error:
        raise RequestError(f"{spec} raised {type(error).__name__}: {reason(error)}") from error


def _import_module(place: str, spec: str) -> Any:
    with _first_on_the_path(Path.cwd()):
        try:
            return importlib.import_module(place)
        except ModuleNotFoundError as error:
            if error.name and not place.startswith(error.name):
                raise RequestError(f"{place} needs the package {error.name}, which is not installed") from error
            raise RequestError(
                f"no module {place!r} for the spec {spec!r}; known sources are rftools:, torchvision:, timm:, a file, "
                "or a module that can be imported from here"
            ) from error
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            raise _failed(place, error) from error


def _import_file(path: Path) -> Any:
    regular(path)
    description = importlib.util.spec_from_file_location(path.stem, path)
    assert description is not None
    assert description.loader is not None
    module = importlib.util.module_from_spec(description)
    with _first_on_the_path(path.parent):
        try:
            description.loader.exec_module(module)
        except ModuleNotFoundError as error:
            raise RequestError(f"{path} needs the package {error.name}, which is not installed") from error
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            raise _failed(str(path), error) from error
    return module


def _failed(place: str, error: BaseException) -> RequestError:
    return RequestError(f"{place} can't be imported: {type(error).__name__}: {reason(error)}")


@contextmanager
def _first_on_the_path(folder: Path) -> Iterator[None]:
    place = str(folder.resolve())
    sys.path.insert(0, place)
    try:
        yield
    finally:
        if place in sys.path:
            sys.path.remove(place)
