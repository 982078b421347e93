"""Gradients of many units at once, each worked out only inside the window that the unit can see."""

from rftools.erf.maps.cone.base import without_rule
from rftools.erf.maps.cone.boxes import Box, cut
from rftools.erf.maps.cone.maps import Cone, Pass
from rftools.erf.maps.cone.plan import Unit

__all__ = ["Box", "Cone", "Pass", "Unit", "cut", "without_rule"]
