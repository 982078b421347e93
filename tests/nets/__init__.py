"""Random nets of everything that nets are made of: a kind of step is a function in one of these modules."""

from tests.nets import (  # noqa: F401
    attending,
    constants,
    layouts,
    loops,
    operators,
    outputs,
    places,
    scales,
    statistics,
    time,
    weights,
    windows,
    writes,
)
from tests.nets.base import INPUT, KINDS, Net, draw_net, kinds_of, smallest

__all__ = ["INPUT", "KINDS", "Net", "draw_net", "kinds_of", "smallest"]
