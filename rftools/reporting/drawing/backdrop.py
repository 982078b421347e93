"""What fields are drawn on: the picture asked for, the reader's own, or a neutral one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from rftools.erf.noise import NOISES
from rftools.plots.picture import load_picture, neutral_picture, waveform_picture
from rftools.reporting.drawing.pictures import plane
from rftools.reporting.subject.subject import Subject

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

LONGEST = 1024  # pixels of the waveform that a sequence is drawn as


def backdrop(subject: Subject, path: str | Path | None) -> NDArray[np.uint8] | None:
    """What fields are drawn on: the picture asked for, else the first that was measured on, else a neutral one."""
    if subject.input_size is None or len(subject.input_size) < 2:
        return None
    height, width = plane(subject.input_size)
    if path is not None:
        return load_picture(path, height, width)
    if len(subject.input_size) == 2:
        return waveform_picture(height, min(width, LONGEST))
    own = None if subject.effective is None else subject.effective.pictures.get("first")
    seen = own is not None and own.shape[:2] == (height, width) and not _is_noise(subject)
    return own if seen else neutral_picture(height, width)


def _is_noise(subject: Subject) -> bool:
    """Whether the effective field was measured on noise, which nobody wants to look at."""
    source = "" if subject.effective is None else subject.effective.source or ""
    return source in ("", "tensor", "array") or source.startswith(tuple(NOISES))
