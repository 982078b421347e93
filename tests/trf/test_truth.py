"""Rows against what moves: random nets of everything that nets are made of, and kinds that were once wrong."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from rftools.capture import capture
from rftools.capture.graph import qualified_name
from rftools.trf.rules.registry import RULES
from tests.nets import INPUT, KINDS, Net, draw_net, rare, smallest
from tests.nets.base import Apply
from tests.truth import Judged, judge, judge_surviving

LOW = torch.full((13, 13), -100.0).index_fill(1, torch.arange(7, 13), -800.0)
BAND = (torch.arange(64)[:, None] - torch.arange(64)[None, :]).abs() <= 1


def check_net(net: Net) -> Judged:
    return judge(net, INPUT[net.rank], folds=net.folds, rounds=net.rounds, faint=net.faint)


def is_wrong(net: Net) -> bool:
    return bool(check_net(net).wrong)


def failures(seeds: range) -> tuple[Counter[str], Counter[str], Counter[str], list[str]]:
    """Wrong nets by the kind of their first wrong row, rows by status, operators, and the smallest example a kind."""
    kinds: Counter[str] = Counter()
    statuses: Counter[str] = Counter()
    operators: Counter[str] = Counter()
    said = []
    for seed in seeds:
        net = draw_net(seed)
        judged = check_net(net)
        statuses += judged.statuses
        operators += judged.operators
        if judged.wrong:
            kind = net.kind_of(judged.wrong[0].layer)
            kinds[kind] += 1
            if kinds[kind] == 1:
                small = smallest(net, is_wrong)
                said.append(
                    f"seed {seed}, rank {small.rank}, {small.drawn}: {(check_net(small).wrong or judged.wrong)[0]}"
                )
    return kinds, statuses, operators, said


def _report(seeds: range) -> list[str]:
    kinds, statuses, operators, said = failures(seeds)
    rows = sum(statuses.values())
    drawn = {name for name in RULES if operators[name]}
    print(f"{len(seeds)} nets, {rows} rows: {dict(statuses)}, {statuses['bound'] / max(rows, 1):.1%} bound")
    print("wrong nets by kind:", dict(kinds))
    print("rules drawn, by number of calls:", {name: operators[name] for name in sorted(drawn)})
    print("rules not drawn:", sorted(set(RULES) - drawn))
    return said


@pytest.mark.parametrize("block", range(4))
def test_random_nets_are_what_moves(block: int) -> None:
    """180 nets, 45 a block; the long suite has 10,000."""
    assert _report(range(45 * block, 45 * block + 45)) == []


@pytest.mark.slow
@pytest.mark.timeout(36000)
@pytest.mark.parametrize("block", range(20))
def test_many_random_nets_are_what_moves(block: int) -> None:
    """10,000 nets, 500 a block."""
    assert _report(range(1000 + 500 * block, 1500 + 500 * block)) == []


def surviving(seeds: range) -> tuple[int, list[str]]:
    count, said = 0, []
    for seed in seeds:
        net = draw_net(seed, survives=True)
        fields, wrong = judge_surviving(net, INPUT[net.rank])
        count += fields
        said += [f"seed {seed}, {net.drawn}: {one}" for one in wrong]
    return count, said


@pytest.mark.slow
@pytest.mark.timeout(36000)
@pytest.mark.parametrize("block", range(5))
def test_surviving_fields_are_what_moves(block: int) -> None:
    """At least 1,000 fields of pruned nets, 200 a block: none too small, none too large."""
    count, said = surviving(range(150 * block, 150 * block + 150))
    print(count, "surviving fields")
    assert count >= 200
    assert said == []


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.filterwarnings("ignore:var")
@pytest.mark.filterwarnings("ignore:std")
def test_every_rule_is_drawn() -> None:
    """By random nets, or by a net of its own in `tests.nets.rare`; what neither can reach is listed with its reason."""
    drawn: set[str] = set()
    for seed in range(1000, 4000):
        net = draw_net(seed)
        drawn |= {qualified_name(node) for node in capture(net.double().eval(), INPUT[net.rank]).nodes}
    assert set(RULES) - drawn - {*rare.LINE, *rare.PLANE, *rare.VOLUME} == {*rare.OUT_OF_REACH}


def test_every_kind_can_be_drawn() -> None:
    """Each kind comes first in turn; 200 nets hold them all."""
    drawn = {name for seed in range(3 * len(KINDS)) for name, _ in draw_net(seed).drawn}
    assert set(KINDS) - drawn == set()


def _stacked(x: torch.Tensor) -> torch.Tensor:
    return torch.stack([x[..., t].tanh() for t in range(x.shape[-1])], -1)


def _cell(step: Apply, x: torch.Tensor) -> torch.Tensor:
    state, made = x.new_zeros(1, 4), []
    for t in range(x.shape[-1]):
        state = step.cell(x[..., t], state)
        made.append(state)
    return torch.stack(made, -1)


def _written(x: torch.Tensor) -> torch.Tensor:
    out = torch.zeros_like(x)
    out[..., ::3] = x.tanh()[..., ::3]
    return out


def _filled(x: torch.Tensor) -> torch.Tensor:
    out = x.tanh()
    out[..., :3].fill_(0.0)
    out[..., -2:].zero_()
    return out


def _attended(low: float) -> Callable[..., torch.Tensor]:
    def function(step: Apply, x: torch.Tensor) -> torch.Tensor:
        tokens = x.transpose(1, 2)
        n = tokens.shape[1]
        scores = (tokens @ x).masked_fill(~step.band[:n, :n], low)
        return (scores.softmax(-1) @ tokens).transpose(1, 2)

    return function


def _fused(step: Apply, x: torch.Tensor) -> torch.Tensor:
    tokens = x.transpose(1, 2).unsqueeze(1)
    n = tokens.shape[2]
    return F.scaled_dot_product_attention(tokens, tokens, tokens, attn_mask=step.band[:n, :n])[:, 0].transpose(1, 2)


def _attending(x: torch.Tensor, values: torch.Tensor, by: float = 1, **given: torch.Tensor) -> torch.Tensor:
    tokens, values = (t.mT.unsqueeze(1) for t in (x, values))
    return F.scaled_dot_product_attention(by * tokens, tokens, values, **given)[:, 0].mT


def _shared(x: torch.Tensor) -> torch.Tensor:
    heads = x.mT.unflatten(-1, (2, 2)).transpose(1, 2)
    values = F.pad(heads[:, :1, 4:], (0, 0, 4, 0))
    made = F.scaled_dot_product_attention(heads, heads[:, :1], values, is_causal=True, enable_gqa=True)
    return made.transpose(1, 2).flatten(2).mT * x.roll(1, -1)


def _scored(step: Apply, x: torch.Tensor) -> torch.Tensor:
    return ((50 * x.mT @ x + step.mask).softmax(-1) @ x.mT).mT


def _last_state(step: Apply, x: torch.Tensor) -> torch.Tensor:
    return step.net(x.transpose(1, 2), x[..., -1].unsqueeze(0))[0].transpose(1, 2)


def _half(step: Apply, x: torch.Tensor) -> torch.Tensor:
    return step.net(x.transpose(1, 2))[0][..., 4:].transpose(1, 2)


class Written(nn.Module):
    """Two outputs, the first of which was written into."""

    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        out = torch.zeros_like(x)
        out[..., ::2] = x.tanh()[..., ::2]
        return {"rolled": out.roll(1, -1), "out": out}


class Within(nn.Module):
    """A net that uses both outputs."""

    def __init__(self) -> None:
        super().__init__()
        self.own = Written()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        made = self.own(x)
        return made["out"].sigmoid() * made["rolled"]


#: the smallest example of each kind that random nets found wrong
CASES: dict[str, Callable[[], nn.Module]] = {
    "one place joined with all": lambda: Apply(lambda x: x + x[..., :1]),
    "a gate from one place": lambda: Apply(lambda x: x * x[..., -1:].sigmoid()),
    "batch statistics": lambda: nn.BatchNorm1d(4, track_running_stats=False),
    "batch statistics of a function": lambda: Apply(lambda x: F.batch_norm(x, None, None, training=True)),
    "steps stacked": lambda: Apply(_stacked),
    "a cell's loop": lambda: Apply(_cell, cell=nn.GRUCell(4, 4)),
    "a strided write": lambda: Apply(_written),
    "a state from data": lambda: Apply(_last_state, net=nn.GRU(4, 4, batch_first=True)),
    "half of both directions": lambda: Apply(_half, net=nn.GRU(4, 4, batch_first=True, bidirectional=True)),
    "a mask of -inf": lambda: Apply(_attended(float("-inf")), band=BAND),
    "a mask of -1e9": lambda: Apply(_attended(-1e9), band=BAND),
    "a mask of fused attention": lambda: Apply(_fused, band=BAND),
    "a constant matrix": lambda: Apply(lambda step, x: x @ step.band[: x.shape[-1], : x.shape[-1]].to(x), band=BAND),
    "a masked kernel": lambda: Apply(
        lambda step, x: F.conv1d(x, step.own.weight * step.mask, padding=1),
        own=nn.Conv1d(4, 4, 3),
        mask=torch.tensor([1.0, 0.0, 0.0]),
    ),
    "a constant choice": lambda: Apply(
        lambda step, x: torch.where(step.band[0, : x.shape[-1]], x, x.roll(1, -1)), band=BAND
    ),
    "times zero": lambda: Apply(lambda x: x + 0.0 * x.roll(3, -1)),
    "a mean that leaves places out": lambda: Apply(lambda x: x * x[..., ::4].mean(-1, keepdim=True)),
    "a transform that crops": lambda: Apply(lambda x: torch.fft.rfft(x, n=6).abs()),
    "padding times a map": lambda: Apply(lambda x: F.pad(x[..., 2:-2].tanh(), (2, 2)) * x.roll(1, -1)),
    "none of the other": lambda: Apply(lambda x: torch.add(x, x.roll(1, -1), alpha=0) + x.roll(2, -1).pow(0)),
    "a masked logarithm": lambda: Apply(
        lambda step, x: x.masked_fill(~step.band[0, : x.shape[-1]], -1e9).log_softmax(-1), band=BAND
    ),
    "a mask subtracted": lambda: Apply(
        lambda step, x: (x * 0.5 - 1e10 * (~step.band[3, : x.shape[-1]]).to(x)).softmax(-1) * x, band=BAND
    ),
    "a number under a mask": lambda: Apply(
        lambda step, x: torch.where(step.band[3, : x.shape[-1]], x, -1e15).softmax(-1), band=BAND
    ),
    "outputs written before": lambda: Within(),
    "zeros through a pool": lambda: Apply(
        lambda step, x: (
            F.adaptive_avg_pool1d(x.masked_fill(step.band[3, : x.shape[-1]], 0.0), 9) * x[..., 4:].roll(1, -1) + 0
        ),
        band=BAND,
    ),
    "zeros that a function leaves": lambda: Apply(
        lambda step, x: (x * step.band[3, : x.shape[-1]]).clamp(-3, 3).expm1() * x.roll(1, -1), band=BAND
    ),
    "zeros that were filled in": lambda: Apply(lambda x: _filled(x) * x.roll(3, -1)),
    "zeros through a convolution": lambda: Apply(
        lambda step, x: step.own(F.pad(x[..., 4:], (0, 4))) * x.roll(2, -1),
        own=nn.Conv1d(4, 4, 3, padding=1, bias=False),
    ),
    "zeros between a transposed convolution's kernels": lambda: Apply(
        lambda step, x: step.own(x[..., 1::3].relu() * step.band[3, 1:13:3]) * x.roll(1, -1),
        own=nn.ConvTranspose1d(4, 4, 2, stride=3, output_padding=2, bias=False),
        band=BAND,
    ),
    "never no number": lambda: Apply(lambda x: torch.where(x.tanh().isnan(), x.roll(1, -1), x.roll(2, -1))),
    "values of zero under fused attention": lambda: Apply(
        lambda step, x: _attending(x, F.pad(x[..., :4], (0, 9)), attn_mask=step.band[:13, :13]) * x.roll(1, -1),
        band=BAND,
    ),
    "keys shared by queries, values of zero": lambda: Apply(_shared),
    "a mask beside a bias under fused attention": lambda: Apply(
        lambda step, x: _attending(x, x, attn_mask=step.bias + torch.where(step.band[:13, :13], 0.0, -1e9)),
        band=BAND,
        bias=nn.Parameter(torch.linspace(-1, 1, 13)),
    ),
    "masks all along": lambda: Apply(_scored, mask=LOW),  # -800 beside -100 is a weight of exp(-700)
    "masks all along under fused attention": lambda: Apply(
        lambda step, x: _attending(x, x, attn_mask=step.mask.double(), by=50), mask=LOW
    ),
    "a mask by a factor": lambda: Apply(
        lambda step, x: (torch.add(x.mT @ x, (~step.band[:13, :13]).to(x), alpha=-1e9).softmax(-1) @ x.mT).mT,
        band=BAND,
    ),
    "a mask beside a sink": lambda: Apply(
        lambda step, x: (
            (
                torch.cat([(x.mT @ x).masked_fill(~step.band[:13, :13], -1e9), x.mean(1)[..., None]], -1).softmax(-1)[
                    ..., :-1
                ]
                @ x.mT
            ).mT
        ),
        band=BAND,
    ),
    "a temperature over a mask": lambda: Apply(
        lambda step, x: (((x.mT @ x - 20 * (~step.band[:13, :13]).to(x)) / 0.01).softmax(-1) @ x.mT).mT, band=BAND
    ),
    "a mask whose sign is turned": lambda: Apply(
        lambda step, x: ((-(x.mT @ x + 1e9 * (~step.band[:13, :13]).to(x))).softmax(-1) @ x.mT).mT, band=BAND
    ),
    "a masked logarithm and its exponential": lambda: Apply(
        lambda step, x: ((x.mT @ x).masked_fill(~step.band[:13, :13], -1e9).log_softmax(-1).exp() @ x.mT).mT, band=BAND
    ),
    "zeros whose axes change places": lambda: Apply(
        lambda x: torch.swapdims(torch.moveaxis(F.pad(x[..., 4:], (0, 4)), 1, 2), 1, 2).flip(-1) * x.roll(1, -1)
    ),
    "powers of two": lambda: Apply(lambda x: (x - 800 * (torch.arange(13) > 6).to(x)).exp2()),
    "rows of minus infinity": lambda: Apply(
        lambda step, x: (
            ((x.mT @ x).masked_fill(step.rows, -torch.inf).softmax(-1).nan_to_num(0) @ x.mT).mT + x.roll(1, -1)
        ),
        rows=(torch.arange(13) > 4)[:, None].expand(13, 13),
    ),
    "zeros through a transform and back": lambda: Apply(
        lambda x: (
            torch.fft.irfft(torch.fft.rfft(torch.cat([x[:, :2] * 0, x[:, 2:]], 1)), 13)[:, :2] * x.roll(2, -1)[:, 2:]
        )
    ),
    "zeros that a transform crops to": lambda: Apply(
        lambda x: (torch.fft.fft(torch.cat([x[..., :4] * 0, x[..., 4:]], -1), 4).abs() * x[..., 2:6]) + x[..., 7:11]
    ),
    "the sum of nothing": lambda: Apply(lambda x: x * x[..., 4:4].sum(-1, keepdim=True).tanh() + x.roll(1, -1)),
    "a root mean square of one element": lambda: Apply(
        lambda x: F.rms_norm(x.unsqueeze(-1), (1,)).squeeze(-1) + x.roll(1, -1)
    ),
    "the spread of one element": lambda: Apply(
        lambda x: x * x[..., 3:4].std(-1, keepdim=True, unbiased=False) + x.roll(2, -1)
    ),
    "windows of a border": lambda: Apply(
        lambda step, x: step.own(x[..., 2:]) * x.roll(1, -1) + x.roll(4, -1),
        own=nn.Conv1d(4, 4, 1, padding=1, bias=False),
    ),
    "windows between a stride": lambda: Apply(
        lambda step, x: step.own(x[..., 8:]) * x.roll(1, -1) + x.roll(4, -1),
        own=nn.ConvTranspose1d(4, 4, 1, stride=3, bias=False),
    ),
    "columns of a border": lambda: Apply(
        lambda x: F.unfold(x.unsqueeze(2), (1, 3), padding=(0, 1)).unflatten(1, (4, 3)).prod(2) * x.roll(3, -1) + x
    ),
    "a running product that meets a zero": lambda: Apply(
        lambda step, x: (x * step.band[3, :13].roll(3)).cumprod(-1) + x.roll(1, -1), band=BAND
    ),
    "beside a diagonal": lambda: Apply(
        lambda x: (torch.diag_embed(x) * x.unsqueeze(2)).sum(-1) + (torch.diag_embed(x) * x.unsqueeze(2))[..., 0]
    ),
    "a norm over one element": lambda: Apply(lambda x: x + F.layer_norm(x[..., :1], (1,))),
}


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_nearest_neighbours_of_a_map_that_keeps_its_size(rank: int) -> None:
    """A factor that adds no pixel: in two dimensions the kernel copies, in others it reads by the factor."""
    net = Apply(lambda x: F.interpolate(x, scale_factor=1.25, mode="nearest"))
    assert judge(net, (4, *[2] * rank)).wrong == []


@pytest.mark.parametrize("name", CASES)
def test_kinds_that_were_wrong(name: str) -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv1d(4, 4, 3, padding=1), CASES[name]())
    assert judge(net, (4, 13)).wrong == []


@pytest.mark.parametrize("how", ["in place of", "added", "fused"])
def test_masks_that_close_nothing(how: str) -> None:
    """A weight of exp(-100) is a path, if one that only gradients show beside others."""

    def function(step: Apply, x: torch.Tensor) -> torch.Tensor:
        open_, own = step.band[:13, :13], F.normalize(x, dim=1)
        if how == "fused":
            return _attending(x, x, attn_mask=torch.where(open_, 0.0, -100.0).to(x))
        scores = own.mT @ own
        masked = scores.masked_fill(~open_, -100) if how == "in place of" else scores + torch.where(open_, 0.0, -100.0)
        return (masked.softmax(-1) @ x.mT).mT

    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv1d(4, 4, 3, padding=1), Apply(function, band=BAND))
    assert judge(net, (4, 13), faint=True).wrong == []
