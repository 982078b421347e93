"""Gradients of many units at once, each worked out only inside the window that the unit can see."""

from rftools.erf.maps.cone.boxes import Box, cut
from rftools.erf.maps.cone.maps import Cone, Pass
from rftools.erf.maps.cone.plan import NodeUnit, without_rule

__all__ = ["Box", "Cone", "NodeUnit", "Pass", "cut", "without_rule"]
