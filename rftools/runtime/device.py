"""Where nets run."""

from __future__ import annotations

import torch

from rftools.errors import RequestError


def pick_device(name: str) -> torch.device:
    """``auto`` is CUDA when present; a device that is not there is refused."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise RequestError(f"no device {name!r}; there are auto, cpu and cuda (cuda:1, ...)") from None
    if device.type == "cuda" and not torch.cuda.is_available():
        raise RequestError(f"--device {name}: no CUDA device here; use auto or cpu")
    return device
