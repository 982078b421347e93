"""One training over several processes, as torchrun starts them: each takes its part of a batch, the first writes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import nn

from rftools.errors import RequestError
from rftools.models.training.lock import alone


@dataclass(frozen=True)
class Processes:
    """The processes of one training: this one's ``rank`` of ``size``, and its ``place`` on its machine."""

    rank: int = 0
    size: int = 1
    place: int = 0

    @property
    def first(self) -> bool:
        """Whether this process writes and speaks."""
        return self.rank == 0

    def part(self, batch: torch.Tensor) -> torch.Tensor:
        """This process's pictures of a batch; none where there are fewer than processes."""
        return batch[self.rank :: self.size]

    def total(self, value: torch.Tensor) -> torch.Tensor:
        """The sum over all processes."""
        if self.size > 1:
            dist.all_reduce(value)
        return value

    def device(self, picked: torch.device) -> torch.device:
        """On a machine with GPUs its own."""
        own = self.size > 1 and picked.type == "cuda" and picked.index is None
        return torch.device("cuda", self.place) if own else picked


def here() -> Processes:
    """What torchrun says of this process; a group of one where it says nothing."""
    said = [os.environ.get(name, "") for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK")]
    return Processes(*map(int, said)) if all(text.isdigit() for text in said) else Processes()


@contextmanager
def together(folder: Path, device: torch.device) -> Iterator[Processes]:
    """Inside the block the processes know each other; the run's folder is the first one's alone."""
    group = here()
    opened = group.size > 1 and not dist.is_initialized()
    if opened:
        dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
    try:
        with alone(folder) if group.first else nullcontext():
            yield group
            wait(group)
    finally:
        if opened:
            dist.destroy_process_group()


def wait(group: Processes) -> None:
    """Until all processes have come here."""
    if group.size > 1:
        dist.barrier()


def spread(module: nn.Module, group: Processes, device: torch.device) -> nn.Module:
    """What a step runs: the net itself, or one that means its gradients over the processes."""
    if group.size == 1:
        return module
    ids = [device] if device.type == "cuda" else None
    return nn.parallel.DistributedDataParallel(module, device_ids=ids, broadcast_buffers=False)


def shared_norms(module: nn.Module) -> nn.Module:
    """The net with batch norms over the whole batch, not a process's part: so the numbers are those of one process."""
    for name, child in module.named_children():
        if isinstance(child, nn.modules.batchnorm._BatchNorm):
            setattr(module, name, SharedNorm.of(child))
        else:
            shared_norms(child)
    return module


class Summed(torch.autograd.Function):
    """The sum over all processes, through which gradients flow back: each process's is the sum of all."""

    @staticmethod
    def forward(ctx: Any, value: torch.Tensor) -> torch.Tensor:
        found = value.clone()
        dist.all_reduce(found)
        return found

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> torch.Tensor:
        found = gradients[0].clone()
        dist.all_reduce(found)
        return found


class SharedNorm(nn.modules.batchnorm._BatchNorm):
    """Batch norm whose mean and variance are of all processes' pictures; torch's own is for GPUs alone."""

    @classmethod
    def of(cls, norm: nn.modules.batchnorm._BatchNorm) -> SharedNorm:
        """One in the place of another, with its parameters and statistics."""
        if norm.momentum is None:
            raise RequestError("a batch norm without momentum can't be shared by processes; train in one")
        found = cls(norm.num_features, norm.eps, norm.momentum, norm.affine, norm.track_running_stats)
        found.__dict__.update({name: norm.__dict__[name] for name in ("_parameters", "_buffers", "training")})
        return found

    def _check_input_dim(self, x: torch.Tensor) -> None: ...

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if not self.training:
            return super().forward(x)
        axes = [0, *range(2, x.dim())]
        shape = (1, -1, *[1] * (x.dim() - 2))
        count = Summed.apply(x.new_tensor(x.numel() / x.shape[1]))
        mean = Summed.apply(x.sum(axes)) / count
        centred = x - mean.reshape(shape)
        variance = Summed.apply((centred**2).sum(axes)) / count
        self._keep(mean, variance, count)
        found = centred * (variance + self.eps).rsqrt().reshape(shape)
        return found if self.weight is None else found * self.weight.reshape(shape) + self.bias.reshape(shape)

    @torch.no_grad()
    def _keep(self, mean: torch.Tensor, variance: torch.Tensor, count: torch.Tensor) -> None:
        """The running statistics, of the unbiased variance, as torch's."""
        if self.running_mean is None or self.running_var is None or self.num_batches_tracked is None:
            return
        share = float(self.momentum or 0)
        self.num_batches_tracked += 1
        self.running_mean.lerp_(mean, share)
        self.running_var.lerp_(variance * count / (count - 1), share)
