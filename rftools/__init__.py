"""Receptive fields of convolutional nets: what a unit can see, what it does see, what pruning left of it.

The handful of names below is the public interface; each is loaded when it is first used, so that
``import rftools`` costs nothing.
"""

from __future__ import annotations

import importlib
import os
from typing import TYPE_CHECKING, Any

from rftools._version import __version__

if TYPE_CHECKING:
    from rftools.checks import check
    from rftools.erf import compare, effective
    from rftools.errors import RequestError
    from rftools.gratings import tuning
    from rftools.loading import Model, info, load
    from rftools.probing import probe
    from rftools.pruning import prune
    from rftools.reading import limits
    from rftools.reporting import report
    from rftools.training import train
    from rftools.trf import reach, rule, theoretical
    from rftools.weights import orientation, sparsity

_HOME = {
    "Model": "loading",
    "RequestError": "errors",
    "check": "checks",
    "compare": "erf",
    "effective": "erf",
    "info": "loading",
    "limits": "reading",
    "load": "loading",
    "orientation": "weights",
    "probe": "probing",
    "prune": "pruning",
    "reach": "trf",
    "report": "reporting",
    "rule": "trf",
    "sparsity": "weights",
    "theoretical": "trf",
    "train": "training",
    "tuning": "gratings",
}

__all__ = [
    "Model",
    "RequestError",
    "__version__",
    "check",
    "compare",
    "effective",
    "info",
    "limits",
    "load",
    "orientation",
    "probe",
    "prune",
    "reach",
    "report",
    "rule",
    "sparsity",
    "theoretical",
    "train",
    "tuning",
]


if not os.path.isdir(os.path.join(__path__[0], "cli")):  # a checkout without links (Windows): cli and models lie beside
    __path__.append(os.path.dirname(__path__[0]))


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        from rftools.errors import closest

        raise AttributeError(f"module 'rftools' has no attribute {name!r}{closest(name, __all__)}")
    value = getattr(importlib.import_module(f"rftools.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
