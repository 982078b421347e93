"""One table of operators that nets use beside convolutions: each answers, and what it says is what moves.

Where an answer can't be exact it is a bound that holds what moves; none is refused.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from tests.nets.base import Apply
from tests.truth import judge

MAP, LINE = (2, 6, 6), (2, 12)
MIXED = torch.rand(6, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
ROWS = torch.tensor([1, 3])
TURN = torch.tensor([[[0.8, -0.3, 0.1], [0.3, 0.8, 0.0]]], dtype=torch.float64)
GRID = torch.tensor([[[[-0.8, -0.4], [0.1, 0.3]], [[0.7, 0.9], [-1.4, 0.0]]]], dtype=torch.float64)
WINDOW = torch.hann_window(4, dtype=torch.float64)


def _positive(x: torch.Tensor) -> torch.Tensor:
    """Symmetric matrices that have all factors."""
    return x @ x.mT + 9 * torch.eye(x.shape[-1], dtype=x.dtype)


def _hyper(step: Apply, x: torch.Tensor) -> torch.Tensor:
    """Kernels made of the input itself, for each image its own."""
    kernels = step.made(x.mean((2, 3))).reshape(4, 4, 3, 3)
    return F.conv2d(x, kernels, padding=1)


def _mixture(step: Apply, x: torch.Tensor) -> torch.Tensor:
    """Conditional convolution: a mixture of kernels by weights that the input chooses (arXiv:1904.04971)."""
    shares = step.chosen(x.mean((2, 3))).sigmoid()
    return F.conv2d(x, torch.einsum("nk,koihw->oihw", shares, step.kernels), padding=1)


def _walk(step: Apply, x: torch.Tensor) -> torch.Tensor:
    state, made = None, []
    for t in range(x.shape[-1]):
        state = step.cell(x[..., t], state)
        made.append(state[0] if isinstance(state, tuple) else state)
    return torch.stack(made, -1)


def _recorded(step: Apply, x: torch.Tensor) -> torch.Tensor:
    """A branch on a value keeps a net from being exported: its operators are recorded as they run."""
    x = x if bool(x.sum() > -1e300) else -x
    return step.net(x.transpose(1, 2))[0].transpose(1, 2)


def _deformed(step: Apply, x: torch.Tensor) -> torch.Tensor:
    from torchvision.ops import deform_conv2d

    return deform_conv2d(x, 0.3 * step.offsets(x), step.kernels, padding=1)


def _windows(x: torch.Tensor) -> torch.Tensor:
    """Overlapping pieces by strides of memory, as Longformer takes them."""
    flat = x.reshape(4, -1).contiguous()
    return flat.as_strided((4, 5, 4), (12, 2, 1)).sum(-1)


def _bent(x: torch.Tensor) -> torch.Tensor:
    return torch.vmap(lambda one: one.softmax(-1) * one.tanh(), in_dims=1, out_dims=1)(x)


def _spectrum(step: Apply, x: torch.Tensor) -> torch.Tensor:
    return torch.stft(x[0], 4, hop_length=2, window=step.window, center=False, return_complex=True).abs()


#: by name: the function, and the weakest status that its rows may have
MAPS: dict[str, tuple[Callable[..., Any], str]] = {
    "bilinear": (lambda x: F.bilinear(x, x.flip(2), MIXED.expand(3, 6, 6)), "unit"),
    "cdist": (lambda x: torch.cdist(x, x.flip(2)), "unit"),
    "cdist, Manhattan": (lambda x: torch.cdist(x, MIXED, p=1.0), "unit"),
    "max_unpool": (lambda x: F.max_unpool2d(*F.max_pool2d(x, 2, return_indices=True), 2), "bound"),
    "max_unpool along a line": (
        lambda x: F.max_unpool1d(*F.max_pool1d(x.flatten(2), 2, return_indices=True), 2),
        "bound",
    ),
    "affine_grid": (
        lambda x: F.grid_sample(x, F.affine_grid(TURN, [1, 4, 5, 5], align_corners=False), align_corners=False),
        "unit",
    ),
    "grid_sample": (lambda x: F.grid_sample(x, GRID, align_corners=False), "unit"),
    "grid_sample, nearest": (lambda x: F.grid_sample(x, GRID, mode="nearest", align_corners=True), "unit"),
    "grid_sample, border": (lambda x: F.grid_sample(x, GRID, padding_mode="border", align_corners=False), "unit"),
    "grid_sample, mirrored": (lambda x: F.grid_sample(x, GRID, padding_mode="reflection", align_corners=True), "unit"),
    "grid_sample, bicubic": (lambda x: F.grid_sample(x, GRID, mode="bicubic", align_corners=False), "unit"),
    "grid_sample by data": (
        lambda x: F.grid_sample(x, x[:, :2].permute(0, 2, 3, 1).tanh(), align_corners=False),
        "bound",
    ),
    "index_fill": (lambda x: x.index_fill(2, ROWS, 0.0), "unit"),
    "masked_scatter": (lambda x: x.masked_scatter(MIXED > 0.5, x.flip(3)), "unit"),
    "one_hot": (lambda x: F.one_hot((x > 0).long(), 2)[..., 0].to(x), "unit"),
    "diag_embed": (lambda x: torch.diag_embed(x[:, :, 0], 1), "unit"),
    "rot90": (lambda x: torch.rot90(x, 1, (2, 3)), "unit"),
    "tensordot": (lambda x: torch.tensordot(x, MIXED, dims=([2], [0])), "unit"),
    "tensordot with itself": (lambda x: torch.tensordot(x[0], x[0], dims=([0, 1], [0, 1])), "unit"),
    "kron": (lambda x: torch.kron(x[:, :1], torch.ones(1, 1, 2, 2, dtype=x.dtype)), "unit"),
    "take_along_dim": (lambda x: torch.take_along_dim(x, torch.full((1, 4, 2, 6), 2), 2), "unit"),
    "take_along_dim by data": (lambda x: torch.take_along_dim(x, x.argsort(2), 2), "bound"),
    "quantile": (lambda x: x.quantile(0.3, dim=2, keepdim=True), "unit"),
    "nanquantile": (lambda x: x.nanquantile(0.3, dim=3), "unit"),
    "kthvalue": (lambda x: x.kthvalue(2, dim=2).values, "unit"),
    "inverse": (lambda x: torch.linalg.inv(_positive(x)), "unit"),
    "determinant": (lambda x: torch.linalg.det(_positive(x)), "unit"),
    "solve": (lambda x: torch.linalg.solve(_positive(x), x[..., :2]), "unit"),
    "eigenvalues": (lambda x: torch.linalg.eigvalsh(_positive(x)), "unit"),
    "singular values": (torch.linalg.svdvals, "unit"),
    "pseudo-inverse": (lambda x: torch.linalg.pinv(x[..., :3]), "unit"),
    "Cholesky": (lambda x: torch.linalg.cholesky(_positive(x)), "bound"),
    "QR": (lambda x: torch.linalg.qr(x)[0], "bound"),
    "least squares": (lambda x: torch.linalg.lstsq(_positive(x), x[..., :2]).solution, "unit"),
    "matrix power": (lambda x: torch.linalg.matrix_power(x, 3), "unit"),
    "multi_dot": (lambda x: torch.linalg.multi_dot([x[0, 0], MIXED, x[0, 1]]), "unit"),
    "fake_quantize": (lambda x: torch.fake_quantize_per_tensor_affine(x.float(), 0.01, 0, -128, 127), "unit"),
    "vmap": (_bent, "unit"),
    "as_strided": (_windows, "unit"),
    "triangular solve": (
        lambda x: torch.linalg.solve_triangular(torch.eye(6, dtype=x.dtype) + MIXED.tril(-1), x, upper=False),
        "bound",
    ),
    "cross": (lambda x: torch.linalg.cross(x[:, :3], x[:, 1:], dim=1), "unit"),
    "median": (lambda x: x.median(dim=2).values, "unit"),
    "msort": (lambda x: x.msort(), "unit"),
    "renorm": (lambda x: x.renorm(2, 1, 0.1), "unit"),
    "cov": (lambda x: x[0, 0].cov(), "unit"),
    "corrcoef": (lambda x: x[0, 0].corrcoef(), "unit"),
    "unflatten and roll": (lambda x: x.flatten(2).roll(5).unflatten(2, (6, 6)), "unit"),
    "cumulative trapezoid": (lambda x: torch.cumulative_trapezoid(x, dim=3), "unit"),
}
WITH_PARTS: dict[str, tuple[Callable[[], nn.Module], str]] = {
    "kernels made of data": (lambda: Apply(_hyper, made=nn.Linear(4, 144)), "unit"),
    "a mixture of kernels": (
        lambda: Apply(_mixture, chosen=nn.Linear(4, 3), kernels=nn.Parameter(torch.randn(3, 4, 4, 3, 3))),
        "unit",
    ),
    "deformable convolution": (
        lambda: Apply(_deformed, offsets=nn.Conv2d(4, 18, 1), kernels=nn.Parameter(torch.randn(4, 4, 3, 3))),
        "bound",
    ),
    "nn.Bilinear": (lambda: Apply(lambda step, x: step.both(x, x.flip(3)), both=nn.Bilinear(6, 6, 3)), "unit"),
}
ON_LINES: dict[str, tuple[Callable[[], nn.Module], str]] = {
    "stft": (lambda: Apply(_spectrum, window=WINDOW), "unit"),
    "stft, centred": (lambda: Apply(lambda x: torch.stft(x[0], 4, 2, return_complex=True).abs()), "unit"),
    **{
        f"a walk of {kind.__name__}": (lambda kind=kind: Apply(_walk, cell=kind(4, 3)), "unit")
        for kind in (nn.RNNCell, nn.GRUCell, nn.LSTMCell)
    },
    **{
        f"{kind.__name__}, recorded": (lambda kind=kind: Apply(_recorded, net=kind(4, 3, batch_first=True)), "unit")
        for kind in (nn.RNN, nn.GRU, nn.LSTM)
    },
    "both directions, recorded": (
        lambda: Apply(_recorded, net=nn.GRU(4, 3, batch_first=True, bidirectional=True)),
        "unit",
    ),
    "two layers, recorded": (lambda: Apply(_recorded, net=nn.LSTM(4, 3, 2, batch_first=True)), "unit"),
}


def check(step: nn.Module, size: tuple[int, ...], weakest: str, *, folds: bool = False) -> None:
    torch.manual_seed(0)
    first = nn.Conv2d(2, 4, 3, padding=1) if len(size) == 3 else nn.Conv1d(2, 4, 3, padding=1)
    judged = judge(nn.Sequential(first, step), size, units=2, folds=folds)
    assert judged.wrong == []
    assert judged.unsure == [] or weakest == "bound", judged.unsure
    assert not judged.statuses["unknown"], judged.unsure


@pytest.mark.parametrize("name", MAPS)
def test_operators_on_maps(name: str) -> None:
    function, weakest = MAPS[name]
    check(Apply(function), MAP, weakest)


@pytest.mark.parametrize("name", WITH_PARTS)
def test_operators_with_weights(name: str) -> None:
    make, weakest = WITH_PARTS[name]
    torch.manual_seed(1)
    check(make(), MAP, weakest)


@pytest.mark.parametrize("name", ON_LINES)
def test_operators_along_time(name: str) -> None:
    make, weakest = ON_LINES[name]
    torch.manual_seed(1)
    check(make(), LINE, weakest, folds="centred" in name)  # the border mirrors the signal
