"""Packed sequences against what moves."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

import rftools as rf
from tests.truth import judge


class Packing(nn.Module):
    def __init__(self, kind: str, length: int, total: int | None, ordered: bool, options: dict[str, Any]) -> None:
        super().__init__()
        self.conv = nn.Conv1d(1, 2, 3, padding=1)
        self.net = getattr(nn, kind)(2, 4, **options)
        self.length, self.total, self.ordered = torch.tensor([length]), total, ordered

    def forward(self, x: torch.Tensor) -> Any:
        first = self.net.batch_first
        y = self.conv(x).permute(0, 2, 1) if first else self.conv(x).permute(2, 0, 1)
        packed = pack_padded_sequence(y, self.length, batch_first=first, enforce_sorted=self.ordered)
        made, state = self.net(packed)
        y, _ = pad_packed_sequence(made, batch_first=first, total_length=self.total)
        return (y.permute(0, 2, 1) if first else y.permute(1, 2, 0)), state


@pytest.mark.parametrize("arguments", [
    ("GRU", 9, None, True, {"batch_first": True}),
    ("GRU", 6, 9, True, {"batch_first": True}),
    ("LSTM", 7, None, False, {}),
    ("RNN", 7, 9, True, {"bidirectional": True}),
    ("LSTM", 6, 9, True, {"num_layers": 2, "batch_first": True}),
])  # fmt: skip
@pytest.mark.filterwarnings("ignore")
def test_packed_sequences_are_what_moves(arguments: Any) -> None:
    torch.manual_seed(0)
    found = judge(Packing(*arguments), (1, 9))
    assert found.wrong == []
    assert set(found.statuses) <= {"exact", "unit"}


def test_lengths_that_are_data_are_unknown_by_name() -> None:
    class Counted(Packing):
        def forward(self, x: torch.Tensor) -> Any:
            lengths = (x[:, 0] > -9).sum(1)
            packed = pack_padded_sequence(x.permute(0, 2, 1), lengths, batch_first=True)
            return pad_packed_sequence(self.net(packed)[0], batch_first=True)[0]

    net = Counted("GRU", 9, None, True, {"batch_first": True})
    net.net = nn.GRU(1, 4, batch_first=True)
    row = rf.theoretical(net, (1, 9))[""]
    assert row.status == "unknown"
    assert "lengths, whose" in (row.cause or "") or "leaves the graph" in (row.cause or "")
