"""Behavioural receptive fields: what a trained net uses, measured by what it still tells right."""

from rftools.probing.api import probe
from rftools.probing.result import Probed, SizeSeen

__all__ = ["Probed", "SizeSeen", "probe"]
