"""A net in evaluation mode, on a device, without gradients for its weights; as it was afterwards."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import cast

import torch
from torch import nn

from rftools.runtime.randomness import undrawn
from rftools.runtime.state import unchanged


@contextlib.contextmanager
def evaluating(module: nn.Module) -> Iterator[None]:
    """Evaluation mode inside the block; every sub-module's own mode is put back after it."""
    modes = [(child, child.training) for child in module.modules()]
    try:
        module.eval()
        yield
    finally:
        for child, training in modes:
            child.training = training


@contextlib.contextmanager
def frozen(module: nn.Module, device: torch.device) -> Iterator[None]:
    """Evaluation mode on the device with parameters that need no gradient; all as before afterwards."""
    home = next((t.device for t in (*module.parameters(), *module.buffers())), device)
    with undrawn(), unchanged(module), without_gradients(module), evaluating(module), moved(module, home, device):
        yield


@contextlib.contextmanager
def without_gradients(module: nn.Module) -> Iterator[None]:
    """Parameters need no gradient inside the block, and what they needed before after it."""
    wanted = [(p, p.requires_grad) for p in module.parameters()]
    try:
        for p, _ in wanted:
            p.requires_grad_(False)
        yield
    finally:
        for p, needs in wanted:
            p.requires_grad_(needs)


@contextlib.contextmanager
def moved(module: nn.Module, home: torch.device, device: torch.device) -> Iterator[None]:
    """The module on ``device`` inside the block, back at ``home`` after it."""
    if home == device:
        yield
        return
    try:
        module.to(device)
        yield
    finally:
        module.to(home)


def dtype_of(module: nn.Module, batch: torch.Tensor) -> torch.dtype:
    """What the module computes in: its first parameter's type, or the batch's own."""
    return next((p.dtype for p in module.parameters() if p.is_floating_point()), batch.dtype)


def uncompiled(module: nn.Module) -> nn.Module:
    """The module itself of one that `torch.compile` wrapped, whose layers have the names that they were given."""
    kind = getattr(torch._dynamo.eval_frame, "OptimizedModule", ())
    return cast(nn.Module, module._orig_mod) if isinstance(module, kind) else module
