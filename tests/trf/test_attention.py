"""Masked attention, heads whose masks differ, padded keys, torch's own layers: every row against what moves."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from tests.truth import judge

N = 9
PLACES = torch.arange(N)
BAND = (PLACES[:, None] - PLACES[None]).abs() <= 1
CAUSAL = PLACES[None] <= PLACES[:, None]
OWN = torch.eye(N, dtype=torch.bool)
TWO, FOUR = torch.stack([BAND, CAUSAL]), torch.stack([BAND, CAUSAL, OWN, ~OWN])
PADDED = (PLACES >= N - 2)[None]


class Heads(nn.Module):
    """Attention by hand, with a mask a head."""

    def __init__(self, mask: torch.Tensor, how: str) -> None:
        super().__init__()
        self.how = how
        self.register_buffer("mask", mask)
        self.query = nn.Linear(4, 4)

    def _split(self, tokens: torch.Tensor) -> torch.Tensor:
        return tokens.reshape(1, N, len(self.mask), -1).transpose(1, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        tokens = x.transpose(1, 2)
        q, k = self._split(self.query(tokens)), self._split(tokens)
        if self.how == "matrices":
            y = self.mask.to(x.dtype)[None] @ k
        elif self.how == "fused":
            y = F.scaled_dot_product_attention(q, k, k, attn_mask=self.mask[None])
        else:
            y = (q @ k.transpose(-1, -2)).masked_fill(~self.mask, float("-inf")).softmax(-1) @ k
        return y.transpose(1, 2).reshape(1, N, 4).transpose(1, 2)


class Given(nn.Module):
    """A layer of torch's, channels last, with masks."""

    def __init__(self, layer: nn.Module, given: Mapping[str, Any], memory: bool = False) -> None:
        super().__init__()
        self.layer, self.given, self.memory = layer, dict(given), memory

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        tokens = x.transpose(1, 2)
        if isinstance(self.layer, nn.MultiheadAttention):
            return self.layer(tokens, tokens, tokens, **self.given)[0].transpose(1, 2)
        own = (tokens, tokens[:, :5]) if self.memory else (tokens,)
        return self.layer(*own, **self.given).transpose(1, 2)


def several(**given: Any) -> nn.Module:
    return Given(nn.MultiheadAttention(4, 2, batch_first=True), given)


def encoder(first: bool, **given: Any) -> nn.Module:
    return Given(nn.TransformerEncoderLayer(4, 2, 8, dropout=0.0, batch_first=True, norm_first=first), given)


def decoder(**given: Any) -> nn.Module:
    return Given(nn.TransformerDecoderLayer(4, 2, 8, dropout=0.0, batch_first=True), given, memory=True)


ADDED = torch.zeros(N, N, dtype=torch.float64).masked_fill(~CAUSAL, float("-inf"))
NETS: dict[str, Callable[[], nn.Module]] = {
    "heads differ, fused": lambda: Heads(FOUR, "fused"),
    "heads differ, written out": lambda: Heads(FOUR, "written out"),
    "heads differ, matrices": lambda: Heads(TWO, "matrices"),
    "heads differ twice": lambda: nn.Sequential(Heads(TWO, "fused"), nn.Conv1d(4, 4, 1), Heads(FOUR, "written out")),
    "a mask": lambda: several(attn_mask=~BAND, need_weights=False),
    "a mask, with weights": lambda: several(attn_mask=~BAND),
    "padded keys": lambda: several(key_padding_mask=PADDED, need_weights=False),
    "padded keys, with weights": lambda: several(key_padding_mask=PADDED),
    "padded keys and a mask": lambda: several(key_padding_mask=PADDED, attn_mask=~CAUSAL),
    "an encoder": lambda: encoder(True),
    "an encoder, causal": lambda: encoder(True, src_mask=ADDED, is_causal=True),
    "an encoder, padded": lambda: encoder(False, src_key_padding_mask=PADDED),
    "an encoder, a band": lambda: encoder(False, src_mask=~BAND),
    "a decoder": lambda: decoder(tgt_mask=~CAUSAL, memory_key_padding_mask=torch.tensor([[False] * 3 + [True] * 2])),
}


@pytest.mark.parametrize("name", NETS)
def test_masked_attention_reads_what_its_mask_leaves(name: str) -> None:
    torch.manual_seed(0)
    judged = judge(nn.Sequential(nn.Conv1d(4, 4, 2, padding="same"), NETS[name]()), (4, N))
    assert judged.wrong == []
    assert set(judged.statuses) <= {"exact", "unit"}
