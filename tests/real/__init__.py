"""Real nets, small: of the transformers library, of timm, YOLOs and others, as they are built by those who use them."""

from tests.real import images, language, sound, vision
from tests.real.base import NETS, judged, made

__all__ = ["NETS", "images", "judged", "language", "made", "sound", "vision"]
