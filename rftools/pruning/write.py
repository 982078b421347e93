"""The file of a pruned net: a checkpoint whose pruned weights are ``weight_orig`` and ``weight_mask``."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import torch

from rftools.errors import RequestError
from rftools.files import check_writable
from rftools.models import save_checkpoint
from rftools.models.training.pruning import with_masks
from rftools.pruning.cut import Cut
from rftools.pruning.request import Request

ENDINGS = (".pt", ".pth")


def check_target(path: str | Path) -> Path:
    """Refuse before the work what could not be written after it."""
    target = check_writable(path)
    if target.suffix not in ENDINGS:
        raise RequestError(
            f"a pruned net is written as a checkpoint: -o takes {' or '.join(ENDINGS)}, not {target.name}"
        )
    return target


def save_pruned(path: str | Path, cut: Cut, request: Request) -> None:
    """Write a checkpoint that ``rftools`` loads like any other; its ``state_dict`` is as torch.nn.utils.prune has it.

    Raises:
        RequestError: the file can't be written; the net's input size is not known.
    """
    model = cut.model
    told = model.metadata
    norm = model.normalisation
    content: dict[str, Any] = {
        "arch": dict(told["arch"]) if "arch" in told else {"name": model.spec, "arguments": {}},
        "state_dict": with_masks(_state(cut), cut.masks),
        "epoch": int(told.get("epoch", 0)) + len(cut.result.history),
        "history": [dict(entry) for entry in told.get("history", ())],
        "classes": list(model.classes),
        "input_size": list(model.require_input_size()),
        "normalisation": None if norm is None else {"mean": list(norm.mean), "std": list(norm.std)},
        "pruning": {
            **{name: list(v) if isinstance(v, tuple) else v for name, v in dataclasses.asdict(request).items()},
            "scope": request.compared,
            "weights": cut.result.weights,
            "kept": cut.result.kept,
            "pictures": cut.result.pictures,
            "finetuning": list(cut.result.history),
        },
    }
    if "data" in told:
        content["data"] = told["data"]
    save_checkpoint(check_target(path), content)


def _state(cut: Cut) -> dict[str, torch.Tensor]:
    """The net's state dict with the weights of pruned layers as they were before."""
    state = {name: value.detach().cpu().contiguous() for name, value in cut.model.module.state_dict().items()}
    return state | {f"{name}.weight" if name else "weight": weight.cpu() for name, weight in cut.original.items()}
