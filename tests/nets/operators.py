"""One operator each, so that every rule is drawn."""

from __future__ import annotations

import random
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import nn

from tests.nets.base import CHANNELS, Apply, kind

Function = Callable[[torch.Tensor], torch.Tensor]


def _vast(x: torch.Tensor) -> torch.Tensor:
    """Finite or not, as ``x`` is small or large."""
    return (x.sin() * 2e154).square()


#: one tensor in, one of the same shape out
SINGLE: dict[str, Function] = {
    **{
        name: lambda x, name=name: getattr(torch, name)(x)  # type: ignore[misc]
        for name in (
            *("erf", "erfc", "expm1", "sin", "cos", "atan", "sinh", "square", "neg", "abs", "exp2", "sinc"),
            *("frac", "positive", "nan_to_num", "negative", "absolute", "i0"),
        )
    },
    # of numbers between -1 and 1 rounding leaves hardly more than one
    **{name: lambda x, name=name: getattr(torch, name)(40 * x) for name in ("floor", "ceil", "round", "trunc")},  # type: ignore[misc]
    "sinc": lambda x: (x + 0.5).sinc(),  # of zero it is one, and of nothing more
    "sign": lambda x: (x - 0.3).sign(),  # of x itself a factor that is never negative would change nothing
    "log": lambda x: (x.abs() + 1).log() + (x.abs() + 2).log2() + x.abs().log1p() + (x.abs() + 1).log10(),
    "roots": lambda x: (x.square() + 1).sqrt() + (x.square() + 1).rsqrt() + (x.square() + 1).reciprocal(),
    "bounded angles": lambda x: torch.asin(x.tanh() * 0.9) + torch.acos(x.tanh() * 0.9) + torch.tan(x.tanh()),
    "logit": lambda x: torch.logit(x.sigmoid()) + torch.erfinv(x.tanh() * 0.9) + torch.special.expit(x),
    "gammas": lambda x: torch.digamma(x.abs() + 1) + torch.lgamma(x.abs() + 1),
    "cosh": lambda x: torch.cosh(x.tanh()) + torch.exp(x.tanh()),
    "activations": lambda x: F.relu6(x + 1) + F.celu(x) + F.selu(x) + F.mish(x) + F.hardsigmoid(x) + F.logsigmoid(x),
    "shrinks": lambda x: F.hardshrink(x, 0.1) + F.softshrink(x, 0.1) + F.threshold(x, 0.1, 0.0) + F.rrelu(x),
    "clamps": lambda x: x.clamp_min(-1) + x.clamp_max(1) + torch.clip(x, -2, 2),
    "powers": lambda x: x.pow(2) + torch.float_power(x.abs() + 1, 1.5),
    "comparisons": lambda x: (
        x * ((x > 0) & (x < 2) | (x >= 3) | (x <= -1) | ((9e5 * x).sin().round() != 0) ^ (x == 1)).to(x.dtype)
    ),
    "finite": lambda x: x * (~(_vast(x).isnan() | _vast(x).isinf())).to(x.dtype) * _vast(x).isfinite().to(x.dtype),
    "logic": lambda x: (
        x * torch.logical_or(torch.logical_not((99 * x).sin() > 0), torch.logical_and(x > 1, x < 3)).to(x.dtype)
    ),
    "exclusive": lambda x: x * torch.logical_xor(x > 0, x > 1).to(x.dtype),
    "complex": lambda x: torch.complex(x, x.tanh()).conj().resolve_conj().imag + torch.polar(x, x).real,
    "angle": lambda x: torch.complex(x, x.tanh()).angle(),
    "as complex": lambda x: torch.view_as_real(torch.view_as_complex(torch.stack([x, x.tanh()], -1))).sum(-1),
    "copies": lambda x: x.clone().contiguous().detach().to(torch.float32).to(x.dtype),
    "dropouts": lambda x: F.dropout(F.alpha_dropout(F.feature_alpha_dropout(x, training=False)), training=False),
    "channel dropout": lambda x: F.dropout1d(x[0], training=False)[None] if x.dim() == 4 else x,
}
#: several tensors, each a function of the same input
PAIRS: dict[str, Function] = {
    "products": lambda x: torch.addcmul(x, x.tanh(), x.sigmoid()) + torch.addcdiv(x, x.tanh(), x.square() + 1),
    # with factors, or they cancel out wherever x is positive
    "extremes": lambda x: (
        torch.maximum(x, x.tanh()) + 2 * torch.minimum(x, -x) + 3 * torch.fmax(x, -x) + 5 * torch.fmin(x, -x)
    ),
    "angles": lambda x: torch.atan2(x, x.square() + 1) + torch.hypot(x, x.tanh() + 2),
    "between": lambda x: torch.lerp(x, x.tanh(), x.sigmoid()) + torch.lerp(x, -x, 0.3),
    "remainders": lambda x: torch.fmod(x, 0.7) + torch.remainder(x, 0.7) + torch.floor_divide(x, 0.5),
    "logarithms": lambda x: torch.logaddexp(x, x.tanh()) + torch.logaddexp2(x, -x) + torch.xlogy(x, x.square() + 1),
    "signs": lambda x: torch.copysign(x, x.tanh()) + torch.heaviside(x - 0.3, x.tanh()),
    "aliases": lambda x: torch.multiply(torch.divide(torch.subtract(x, 1), 2), torch.true_divide(x, 3)),
    "reversed difference": lambda x: 1 - torch.rsub(x, 2),
    "where": lambda x: torch.where(x > 0, x.tanh(), -x) + x.masked_fill(x > 1, 1.0),
    "glu": lambda x: torch.cat([F.glu(x, 1)] * 2, 1),
}


def _graded(x: torch.Tensor) -> torch.Tensor:
    """Each channel with a factor of its own, so that a spread over channels is none of equal ones."""
    return x * torch.linspace(1, 2, x.shape[1], dtype=x.dtype).reshape(-1, *[1] * (x.dim() - 2))


#: elements that move
MOVES: dict[str, Function] = {
    "flat": lambda x: torch.ravel(x).reshape(x.shape).flatten(2).unflatten(2, x.shape[2:]),
    "squeezed": lambda x: torch.atleast_3d(x.unsqueeze(2).squeeze(2)).view_as(x),
    "axes": lambda x: x.movedim(1, -1).swapaxes(-1, 1).swapaxes(1, -1).movedim(-1, 1).permute(*range(x.dim())),
    "expanded": lambda x: x[:, :1].expand_as(x) + _graded(x[:, 1:2].repeat(1, CHANNELS, *[1] * (x.dim() - 2))),
    "tiled": lambda x: x[:, :2].tile(1, 2, *[1] * (x.dim() - 2)) + x[:, :2].repeat_interleave(2, 1),
    "narrow": lambda x: x.narrow(-1, 1, x.shape[-1] - 1),
    "channel shuffle": lambda x: F.channel_shuffle(x, 2),
    "transposed": lambda x: (x.mT.mT if x.dim() > 3 else x) + x.type_as(x),
    "stacked": lambda x: torch.hstack([x[:, :2].tanh(), x[:, 2:]]),
    "split": lambda x: torch.cat([p.tanh() for p in x.tensor_split(2, 1)], 1),
    "interleaved": lambda x: x.repeat_interleave(2, -1),
    "diagonal": lambda x: (
        x * torch.diagonal(x[..., :3, :3], dim1=-2, dim2=-1).mean(-1)[..., None] if x.dim() == 3 else x
    ),
    "scattered": lambda x: x.select_scatter(x[..., 0].tanh(), -1, 1).slice_scatter(x[..., :2], -1, 2, 4),
    "filled": lambda x: torch.where(torch.zeros_like(x).fill_(1.0) > 0, x, torch.full_like(x, 2.0)),
    "taken": lambda x: torch.take(x, torch.arange(x.numel()).flip(0)).reshape(x.shape),
    "masked": lambda x: x.masked_select(torch.ones_like(x, dtype=torch.bool)).reshape(x.shape),
    "chosen": lambda x: x[..., torch.arange(x.shape[-1]) % 2 == 0],
    "put": lambda x: x.index_put((torch.tensor([0]), torch.tensor([1])), x[0, 0]),
    "summed at": lambda x: x.scatter_add(-1, torch.zeros(*x.shape[:-1], 2, dtype=torch.int64), x[..., 1:3]),
    "reduced at": lambda x: x.scatter_reduce(-1, torch.ones(*x.shape[:-1], 2, dtype=torch.int64), x[..., 2:4], "amax"),
    "copied": lambda x: x.clone().copy_(x.tanh()),
}
#: contractions and reductions
MIXES: dict[str, Function] = {
    "bmm": lambda x: torch.bmm(x[0], x[0].transpose(-1, -2))[None] if x.dim() == 4 else x,
    "mm": lambda x: torch.mm(x.flatten(1), x.flatten(1).T) * x,
    "mv": lambda x: x * torch.mv(x[0].flatten(1).T, x.new_ones(CHANNELS)).reshape(1, 1, *x.shape[2:]),
    "dot": lambda x: x * (torch.dot(x.flatten(), x.flatten()) / 99).sin(),
    "addmm": lambda x: torch.addmm(x.new_zeros(1), x[0].flatten(1), x.new_ones(2, 2)) if x.dim() == 9 else x,
    "baddbmm": lambda x: (
        torch.baddbmm(x[0], x[0], x.new_ones(CHANNELS, x.shape[-1], x.shape[-1]))[None] if x.dim() == 4 else x
    ),
    "einsum": lambda x: torch.einsum(
        "nc...,kc->nk...", x, torch.linspace(1, 2, CHANNELS**2).reshape(CHANNELS, -1).to(x)
    ),
    "tensordot": lambda x: torch.tensordot(x, torch.linspace(1, 2, 5 * x.shape[-1]).reshape(-1, 5).to(x), 1),
    "extremes": lambda x: x * (x.max(-1, keepdim=True)[0] - x.min(-1, keepdim=True)[0]),
    "all": lambda x: x * (x.amin(1, keepdim=True) + x.prod(1, keepdim=True) + x.logsumexp(1, keepdim=True)),
    "spread": lambda x: x / (x.std(1, keepdim=True) + torch.std_mean(x, -1, keepdim=True)[0] + 1),
    "nan sums": lambda x: x * (x.nansum(-1, keepdim=True) + x.nanmean(1, keepdim=True)),
    "indices": lambda x: x + x.argmax(-1, keepdim=True).to(x.dtype) * 0.5 + x.argmin(1, keepdim=True),
    "any": lambda x: (
        x * (((99 * x).sin().flip(1)[..., :2] > 0).any(-1, keepdim=True) & (x.flip(1) < 0.5).all(1, keepdim=True)).to(x)
    ),
    "mode": lambda x: x + (40 * x).round().mode(-1, keepdim=True)[0],
    "similar": lambda x: x * F.cosine_similarity(x, x.flip(1), dim=1).unsqueeze(1),
    "fourier": lambda x: torch.fft.irfft(torch.fft.rfft(x) * 0.5, n=x.shape[-1]),
    "fourier all": lambda x: torch.fft.ifft2(torch.fft.fft2(x)).real if x.dim() > 3 else torch.fft.ifft(x).real,
    "local response": lambda x: F.local_response_norm(x, 3),
}
GROUPS = {"single": SINGLE, "pairs": PAIRS, "moves": MOVES, "mixes": MIXES}


def _draw(group: str, r: random.Random) -> nn.Module:
    name = r.choice(list(GROUPS[group]))
    return Apply(GROUPS[group][name], name)


@kind(weight=2)
def single_operator(r: random.Random, rank: int) -> nn.Module:
    return _draw("single", r)


@kind(weight=2)
def pair_operator(r: random.Random, rank: int) -> nn.Module:
    return _draw("pairs", r)


@kind(weight=2)
def moving_operator(r: random.Random, rank: int) -> nn.Module:
    return _draw("moves", r)


@kind(weight=2)
def mixing_operator(r: random.Random, rank: int) -> nn.Module:
    return _draw("mixes", r)
