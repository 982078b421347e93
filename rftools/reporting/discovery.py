"""Finding what a folder holds: the modules that register themselves when they are imported."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterable, Sequence


def discover(package: str, paths: Iterable[str], first: Sequence[str] = ()) -> list[str]:
    """Import the modules in a package's folders and give their names: those of ``first`` in its order, then the others.

    >>> discover("rftools.reporting.findings", [])
    []
    """
    names = [module.name for module in pkgutil.iter_modules(paths)]
    found = sorted(names, key=lambda name: first.index(name) if name in first else len(first))
    for name in found:
        importlib.import_module(f"{package}.{name}")
    return found
