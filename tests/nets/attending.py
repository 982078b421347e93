"""Attention in the spellings of old and new code: masks added twice, before a scale, by head, and none that closes."""

from __future__ import annotations

import random
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from tests.nets.base import CHANNELS, Apply, as_map, kind, tokens_of
from tests.nets.constants import LONG, drawn_mask


@kind(1, 2, weight=2, ties=True)
def old_attention(r: random.Random, rank: int) -> nn.Module:
    """Scores and masks joined as older code does; some masks close nothing."""
    name, mask = drawn_mask(r)
    how = r.choice(["minus 1e4", "times and minus", "before a scale", "twice", "bias", "low", "renormalised", "parts"])

    def function(step: Any, x: torch.Tensor) -> torch.Tensor:
        tokens = tokens_of(x)
        n = tokens.shape[1]
        open_ = step.mask[:n, :n].to(x.dtype)
        scores = tokens @ tokens.transpose(1, 2)
        if how == "minus 1e4":
            weights = (scores.clamp(-9, 9) / 2 + (1 - open_) * -1e4).softmax(-1)
        elif how == "times and minus":
            weights = (scores * open_ - 1e10 * (1 - open_)).softmax(-1)
        elif how == "before a scale":
            weights = (scores.masked_fill(open_ == 0, float("-inf")) * 0.5).softmax(-1)
        elif how == "twice":
            causal = torch.full((n, n), float("-inf"), dtype=x.dtype).triu(1)
            weights = (scores + causal + (1 - open_) * -1e9).softmax(-1)
        elif how == "bias":
            weights = (scores + step.bias[:n, :n]).softmax(-1)
        elif how == "low":
            weights = (scores - 3 * (1 - open_)).softmax(-1)
        elif how == "renormalised":
            weights = scores.sigmoid() * open_
            weights = weights / (weights.sum(-1, keepdim=True) + 1e-6)
        else:
            weights = scores.masked_fill(open_ == 0, -1e30).softmax(-1)
            weights = torch.cat([weights[..., : n // 2], torch.zeros_like(weights[..., n // 2 :])], -1)
        return as_map(weights @ tokens, x)

    return Apply(function, f"{name} {how}", mask=mask, bias=torch.randn(LONG, LONG) * 0.1)


@kind(1, 2, ties=True)
def masked_by_head(r: random.Random, rank: int) -> nn.Module:
    """A mask of its own for each head, in the module and in the function; several queries share keys."""
    masks = torch.stack([drawn_mask(r)[1], drawn_mask(r)[1]])
    how = r.choice(["module", "function", "padding too", "sinks", "cross"])
    net = nn.MultiheadAttention(CHANNELS, 2, batch_first=True)

    def function(step: Any, x: torch.Tensor) -> torch.Tensor:
        tokens = tokens_of(x)
        n = tokens.shape[1]
        masks = step.masks[:, :n, :n]
        if how == "module":
            y = step.net(tokens, tokens, tokens, attn_mask=~masks)[0]
        elif how == "padding too":
            padded = (torch.arange(n) == 1)[None]
            y = step.net(tokens, tokens, tokens, attn_mask=~masks[0], key_padding_mask=padded)[0]
        elif how == "cross":
            y = step.net(tokens, tokens[:, ::2], tokens[:, ::2].tanh(), need_weights=False)[0]
        elif how == "sinks":
            own = F.pad(tokens, (0, 0, 2, 0))
            open_ = F.pad(masks[0], (2, 0), value=True)
            y = F.scaled_dot_product_attention(tokens[:, None], own[:, None], own[:, None], attn_mask=open_)[:, 0]
        else:
            heads = tokens.unflatten(-1, (2, CHANNELS // 2)).transpose(1, 2)
            y = F.scaled_dot_product_attention(heads, heads, heads, attn_mask=masks).transpose(1, 2).flatten(2)
        return as_map(y, x)

    return Apply(function, how, masks=masks, net=net)


@kind(1, 2, ties=True)
def linear_attention(r: random.Random, rank: int) -> nn.Module:
    """Without a softmax: keys and values are summed up first, for all places or for those before."""
    causal = r.random() < 0.5

    def function(x: torch.Tensor) -> torch.Tensor:
        tokens = tokens_of(x)
        q, k = tokens.softmax(-1), tokens.sigmoid()
        outer = k.unsqueeze(-1) * tokens.unsqueeze(-2)
        total = outer.cumsum(1) if causal else outer.sum(1, keepdim=True)
        return as_map((q.unsqueeze(-2) @ total).squeeze(-2), x)

    return Apply(function, f"causal {causal}")


@kind(1, ties=True)
def with_class_token(r: random.Random, rank: int) -> nn.Module:
    """A token without a place in front, which gathers; the others read it, or it alone is used.

    Places have embeddings, so that tokens that constants made zero are not equal: scores of equal ones cancel.
    """
    how = r.choice(["kept", "gate", "mask"])
    net = nn.MultiheadAttention(CHANNELS, 1, batch_first=True)

    def function(step: Any, x: torch.Tensor) -> torch.Tensor:
        tokens = torch.cat([step.token.to(x.dtype), tokens_of(x) + step.places[: x[0, 0].numel()]], 1)
        n = tokens.shape[1]
        closed = torch.ones(n, n, dtype=torch.bool).triu(2) if how == "mask" else None
        y = step.net(tokens, tokens, tokens, attn_mask=closed)[0] + tokens
        if how == "gate":
            return x * y[:, :1].transpose(1, 2).sigmoid()
        return y[:, 1:].transpose(1, 2)

    places = nn.Parameter(torch.randn(400, CHANNELS))
    return Apply(function, how, net=net, token=nn.Parameter(torch.randn(1, 1, CHANNELS)), places=places)


@kind(1, ties=True)
def decoder(r: random.Random, rank: int) -> nn.Module:
    """A decoder over an encoder's memory, both of the same input."""
    layer = nn.TransformerDecoderLayer(CHANNELS, 2, 8, dropout=0.0, batch_first=True, norm_first=r.random() < 0.5)
    whole = r.random() < 0.5

    def function(step: Any, x: torch.Tensor) -> torch.Tensor:
        tokens = tokens_of(x)
        mask = nn.Transformer.generate_square_subsequent_mask(x.shape[-1], dtype=x.dtype)
        memory = tokens if whole else tokens[:, :3].tanh()
        own = None if whole else torch.zeros(x.shape[-1], 3, dtype=torch.bool).index_fill(1, torch.tensor([1]), True)
        return step.layer(tokens, memory, tgt_mask=mask, memory_mask=own).transpose(1, 2)

    return Apply(function, f"whole {whole}", layer=layer)
