"""Gradients of many units at once, each worked out only inside the window that the unit can see."""

from rftools.erf.cone.base import without_rule
from rftools.erf.cone.boxes import Box, cut
from rftools.erf.cone.maps import Cone, Pass
from rftools.erf.cone.plan import Unit

__all__ = ["Box", "Cone", "Pass", "Unit", "cut", "without_rule"]
