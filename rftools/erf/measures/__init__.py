"""Measures of effective fields: each a small function in one registry. A file here is a family of them."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterable

from rftools.erf.measures.registry import REGISTRY, Definition, Frame, measure

__all__ = ["REGISTRY", "Definition", "Frame", "families", "measure"]

# The order in which results list them; families that are not named here follow.
ORDER = ("luo", "area", "moments", "gaussian", "radial", "entropy", "relative", "holes", "edge")


def families(paths: Iterable[str]) -> list[str]:
    """Import the modules that lie in the folders, which registers their measures, and say which they are."""
    names = [module.name for module in pkgutil.iter_modules(paths)]
    found = sorted(names, key=lambda name: ORDER.index(name) if name in ORDER else len(ORDER))
    for name in found:
        importlib.import_module(f"{__name__}.{name}")
    return found


families(__path__)
