"""Units whose channels add up to a constant have no field of their sum, and say so."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import rftools as rf


class Normed(nn.Module):
    """A convolution, and a norm over its channels as ConvNeXt has it."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 5, 3, padding=1)
        self.norm = nn.LayerNorm(5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.norm(self.conv(x).permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        return found


def net(uneven: bool = False) -> Normed:
    torch.manual_seed(0)
    made = Normed().eval()
    if uneven:
        nn.init.uniform_(made.norm.weight, 0.5, 1.5)
    return made


@pytest.mark.parametrize("layer", ["norm", ""])
def test_a_norm_over_the_summed_channels_leaves_no_sum(layer: str) -> None:
    """By autograd in double precision the gradient is rounding, and a channel's is not."""
    model, x = net(), torch.rand(3, 2, 9, 9, dtype=torch.float64)
    row = rf.effective(model, x.float(), layers=[layer])[layer]
    assert row.note is not None
    assert row.note.startswith("the channels of a unit add up to a constant (a norm over them with equal weights)")
    assert all(measure.value is None for measure in row.measures.values())
    assert not row.map.any()
    x.requires_grad_()
    unit = model.double()(x)[:, :, 4, 4]
    (summed,) = torch.autograd.grad(unit.sum(), x, retain_graph=True)
    (alone,) = torch.autograd.grad(unit[:, 1].sum(), x)
    assert float(summed.abs().max()) < 1e-12 * float(alone.abs().max())


def test_what_has_a_field_all_the_same() -> None:
    x = torch.rand(2, 2, 9, 9)
    assert rf.effective(net(uneven=True), x, layers=["norm"])["norm"].note is None
    assert rf.effective(net(), x, layers=["norm"], channel=1)[0].note is None
    assert rf.effective(net(), x, layers=["norm"], aggregation="power")["norm"].note is None
    assert rf.effective(net(), x, layers=["conv"])["conv"].note is None


class Shares(nn.Module):
    """A softmax over channels, or along the map."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.conv, self.dim = nn.Conv2d(2, 3, 3, padding=1), dim

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.softmax(self.conv(x), self.dim)


@pytest.mark.parametrize(("dim", "note"), [(1, True), (-3, True), (2, False)])
def test_shares_add_up_to_one(dim: int, note: bool) -> None:
    torch.manual_seed(0)
    row = rf.effective(Shares(dim).eval(), torch.rand(2, 2, 9, 9), layers=[""])[0]
    assert (row.note is not None and "the shares of a softmax" in row.note) == note
