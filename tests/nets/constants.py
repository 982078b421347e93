"""Constants that close paths: masks in all their spellings, matrices, kernels with zeros, factors of zero."""

from __future__ import annotations

import random
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from tests.nets.base import CHANNELS, CONV, Apply, as_map, kind, tokens_of

LONG = 64


def drawn_mask(r: random.Random, n: int = LONG) -> tuple[str, torch.Tensor]:
    """Which query may see which key: causal, a band, blocks; every query sees itself."""
    name = r.choice(["causal", "band", "blocks", "anticausal", "strict band"])
    i, j = torch.arange(n)[:, None], torch.arange(n)[None, :]
    masks = {
        "causal": j <= i,
        "anticausal": j >= i,
        "band": (i - j).abs() <= 1,
        "strict band": (j <= i) & (i - j <= 2),
        "blocks": i // 3 == j // 3,
    }
    return name, masks[name]


@kind(1, 2, weight=3)
def masked_attention(r: random.Random, rank: int) -> nn.Module:
    """Attention written out; weights that underflow to zero close the path."""
    name, mask = drawn_mask(r)
    how = r.choice(["-inf", "-1e9", "dtype", "added", "added large", "where", "after", "log"])

    def function(step: Any, x: torch.Tensor) -> torch.Tensor:
        tokens = tokens_of(x)
        n = tokens.shape[1]
        open_, scores = step.mask[:n, :n], tokens @ tokens.transpose(1, 2) / 2
        if how in {"-inf", "-1e9", "dtype"}:
            least = {"-inf": float("-inf"), "-1e9": -1e9, "dtype": torch.finfo(x.dtype).min}[how]
            scores = scores.masked_fill(~open_, least)
        elif how.startswith("added"):
            low = -1e9 if how == "added large" else float("-inf")
            scores = scores + torch.zeros(n, n, dtype=x.dtype).masked_fill(~open_, low)
        elif how == "where":
            scores = torch.where(open_, scores, torch.full_like(scores, -1e30))
        elif how == "log":
            scores = scores + open_.to(x.dtype).log()
        weights = scores.softmax(-1)
        if how == "after":
            weights = weights * open_
        return as_map(weights @ tokens, x)

    return Apply(function, f"{name} {how}", mask=mask)


@kind(1, 2, weight=2)
def masked_fused_attention(r: random.Random, rank: int) -> nn.Module:
    name, mask = drawn_mask(r)
    how = r.choice(["bool", "float", "causal"])

    def function(step: Any, x: torch.Tensor) -> torch.Tensor:
        tokens = tokens_of(x).unsqueeze(1)
        n = tokens.shape[2]
        open_ = step.mask[:n, :n]
        given: dict[str, object] = {"is_causal": True}
        if how == "bool":
            given = {"attn_mask": open_}
        elif how == "float":
            given = {"attn_mask": torch.zeros(n, n, dtype=x.dtype).masked_fill(~open_, -1e9)}
        y = F.scaled_dot_product_attention(tokens, tokens, tokens, **given)  # type: ignore[arg-type]
        return as_map(y.squeeze(1), x)

    return Apply(function, f"{name} {how}", mask=mask)


@kind(1)
def unequal_causal(r: random.Random, rank: int) -> nn.Module:
    """More queries than keys, or fewer, under ``is_causal``."""
    fewer = r.choice(["queries", "keys"])

    def function(x: torch.Tensor) -> torch.Tensor:
        tokens = tokens_of(x).unsqueeze(1)
        half = tokens[:, :, ::2]
        q, k = (half, tokens) if fewer == "queries" else (tokens, half)
        return F.scaled_dot_product_attention(q, k, k, is_causal=True).squeeze(1).transpose(1, 2)

    return Apply(function, fewer)


@kind(1, 2, weight=2)
def masked_module_attention(r: random.Random, rank: int) -> nn.Module:
    name, mask = drawn_mask(r)
    how = r.choice(["bool", "float", "padding", "causal", "weights"])
    net = nn.MultiheadAttention(CHANNELS, 2, batch_first=True)

    def function(step: Any, x: torch.Tensor) -> torch.Tensor:
        tokens = tokens_of(x)
        n = tokens.shape[1]
        closed = ~step.mask[:n, :n]
        given: dict[str, object] = {"attn_mask": closed}
        if how == "float":
            given = {"attn_mask": torch.zeros(n, n, dtype=x.dtype).masked_fill(closed, float("-inf"))}
        elif how == "padding":
            given = {"key_padding_mask": (torch.arange(n) >= n - 2)[None]}
        elif how == "causal":
            given = {"attn_mask": torch.ones(n, n, dtype=torch.bool).triu(1), "is_causal": True}
        y = step.net(tokens, tokens, tokens, need_weights=how == "weights", **given)[0]
        return as_map(y, x)

    return Apply(function, f"{name} {how}", mask=mask, net=net)


@kind(1)
def masked_encoder(r: random.Random, rank: int) -> nn.Module:
    layer = nn.TransformerEncoderLayer(CHANNELS, 2, 8, dropout=0.0, batch_first=True, norm_first=r.random() < 0.5)

    def function(step: Any, x: torch.Tensor) -> torch.Tensor:
        mask = nn.Transformer.generate_square_subsequent_mask(x.shape[-1], dtype=x.dtype)
        return step.layer(tokens_of(x), src_mask=mask, is_causal=True).transpose(1, 2)

    return Apply(function, layer=layer)


@kind(weight=2, survives=True)
def masked_kernel(r: random.Random, rank: int) -> nn.Module:
    """A kernel times a constant mask, as in PixelCNN."""
    conv = CONV[rank - 1](CHANNELS, CHANNELS, 3, padding=1)
    mask = torch.ones_like(conv.weight)
    how = r.choice(["causal", "cross", "last"])
    flat = mask.flatten(2)
    if how == "causal":
        flat[..., flat.shape[-1] // 2 + r.randint(0, 1) :] = 0
    elif how == "cross":
        flat[..., ::2] = 0
        flat[..., flat.shape[-1] // 2] = 1
    else:
        mask[..., -1] = 0

    def function(step: Any, x: torch.Tensor) -> torch.Tensor:
        weight = step.conv.weight * step.mask
        return getattr(F, f"conv{rank}d")(x, weight, step.conv.bias, padding=1)

    return Apply(function, how, conv=conv, mask=mask)


@kind(2)
def fixed_kernel(r: random.Random, rank: int) -> nn.Module:
    """Sobel: a column of zeros; Laplace: corners of zeros."""
    sobel = torch.tensor([[-1.0, 0, 1], [-2, 0, 2], [-1, 0, 1]])
    laplace = torch.tensor([[0, 1.0, 0], [1, -4, 1], [0, 1, 0]])
    kernel = r.choice([sobel, laplace]).expand(CHANNELS, 1, 3, 3).clone()
    return Apply(lambda step, x: F.conv2d(x, step.kernel, padding=1, groups=CHANNELS), kernel=kernel)


@kind(weight=2)
def constant_matrix(r: random.Random, rank: int) -> nn.Module:
    """A band, or the graph of who is whose neighbour, along the last axis."""
    how = r.choice(["matmul", "einsum", "linear", "sparse"])
    name, mask = drawn_mask(r)
    matrix = mask.double() / mask.double().sum(1, keepdim=True) * torch.linspace(1, 2, LONG)[:, None]  # no row twice
    if how == "sparse":
        matrix = (torch.rand(LONG, LONG) < 0.2).double()

    def function(step: Any, x: torch.Tensor) -> torch.Tensor:
        n = x.shape[-1]
        own = step.matrix[:n, :n]
        if how == "einsum":
            return torch.einsum("...l,kl->...k", x, own)
        if how == "linear":
            return F.linear(x, own)
        return x @ own.T

    return Apply(function, f"{name} {how}", matrix=matrix)


@kind(weight=2)
def constant_choice(r: random.Random, rank: int) -> nn.Module:
    """Places that a constant takes from one side or the other, or makes zero."""
    how = r.choice(["where", "lerp", "addcmul", "masked_fill", "times", "times whole", "clamp", "multiplied sum"])
    pattern = torch.tensor([r.random() < 0.5 for _ in range(LONG)])

    def function(step: Any, x: torch.Tensor) -> torch.Tensor:
        mask = step.pattern[: x.shape[-1]]
        other, one = x.roll(1, -1).tanh(), mask.to(x.dtype)
        return {
            "where": lambda: torch.where(mask, x, other),
            "lerp": lambda: torch.lerp(x, other, one),
            "addcmul": lambda: torch.addcmul(x, other, one),
            "masked_fill": lambda: x.masked_fill(mask, 0.0),
            "times": lambda: x * one,
            "times whole": lambda: x + 0.0 * other,
            "clamp": lambda: (x * one).clamp(-3, 3),
            "multiplied sum": lambda: one * x + (1 - one) * other,
        }[how]()

    return Apply(function, how, pattern=pattern)


@kind(1, 2)
def triangles(r: random.Random, rank: int) -> nn.Module:
    how = r.choice(["tril", "triu"])
    return Apply(lambda x: getattr(x.reshape(*x.shape[:-1], x.shape[-1]), how)(), how)


@kind(1)
def indexed(r: random.Random, rank: int) -> nn.Module:
    """Constant indices in all spellings."""
    how = r.choice(["index_select", "index", "gather", "index_add", "scatter", "take_along_dim", "index_copy"])

    def function(x: torch.Tensor) -> torch.Tensor:
        n = x.shape[-1]
        index = (torch.arange(n) * 3 + 1) % n
        wide = index.expand(x.shape)
        return {
            "index_select": lambda: x.index_select(-1, index[: n - 1]),
            "index": lambda: x[..., index],
            "gather": lambda: x.gather(-1, wide),
            "index_add": lambda: x.index_add(-1, index[:3], x[..., :3]),
            "scatter": lambda: x.scatter(-1, wide[..., :2], x[..., :2].tanh()),
            "take_along_dim": lambda: torch.take_along_dim(x, wide, -1),
            "index_copy": lambda: x.index_copy(-1, index[:2], x[..., -2:]),
        }[how]()

    return Apply(function, how)


@kind(2)
def gridded(r: random.Random, rank: int) -> nn.Module:
    """Sampling at constant places."""
    grid = torch.rand(1, 5, 6, 2) * 1.6 - 0.8
    mode = r.choice(["bilinear", "nearest"])
    return Apply(lambda step, x: F.grid_sample(x, step.grid, mode=mode, align_corners=False), mode, grid=grid)
