"""The engine against poisoned pixels, on random nets."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch import fx

import rftools as rf
from rftools.trf.asked import spatial_dims
from rftools.trf.axis import Part
from rftools.trf.engine import walk
from rftools.trf.field import Field
from rftools.trf.reverse import Reverse
from tests.oracle import Oracle
from tests.random_nets import INPUT, RandomNet, check_seed, interpolates


def check(net: RandomNet) -> None:
    """Every layer, several units: support, window and law against the experiment."""
    size = INPUT[net.rank]
    try:
        with torch.no_grad():
            out = net.double().eval()(torch.rand(1, *size, dtype=torch.float64))
    except (RuntimeError, ValueError, AssertionError):
        return  # a net that cannot run has no field
    if out.numel() == 0:
        return
    oracle = Oracle(net, size)
    fields = walk(oracle.graph, {})
    back = Reverse(oracle.graph, fields, {})
    loose, closes = interpolates(net), _multiplies_zeros(net)
    for layer in oracle.graph.layers:
        field = fields.get(layer.node)
        if not isinstance(field, Field) or field.cause:
            assert not isinstance(field, Field), (layer.name, field.cause)
            continue
        part = field.merged()
        dims = spatial_dims(part)
        rest = [d for d in range(len(field.shape)) if d not in dims]
        corners = [{0, field.shape[d] // 2, field.shape[d] - 1} for d in dims]
        for unit in itertools.islice(itertools.product(*corners), 12):
            place: list[int | slice] = [slice(None)] * len(field.shape)
            index = [0] * len(field.shape)
            for d, i in zip(dims, unit, strict=True):
                place[d] = index[d] = i
            whole = tuple(place)
            check_reverse_walk(back, layer.node, part, dict(zip(dims, unit, strict=True)), index)
            for axis_number, axis in enumerate(part):
                seen = indices(axis.table.at(index))
                upper = oracle.upper(layer.node, axis_number, whole)
                lower = oracle.lower(layer.node, axis_number, whole)
                where = f"{layer.name} unit {unit} axis {axis_number} status {axis.status} dims {dims} rest {rest}"
                assert set(lower) <= set(seen), f"{where}: missed {sorted(set(lower) - set(seen))}"
                if axis.status != "bound":
                    assert set(seen) <= set(upper), f"{where}: invented {sorted(set(seen) - set(upper))}"
                    if not loose and not closes:
                        assert seen == upper, where
                if axis.status == "exact" and axis.law is not None and not axis.global_:
                    at = index[axis.law.dim] if axis.law.dim is not None else 0
                    start, bits = axis.law.at(at)
                    lawful = {start + i for i in range(bits.bit_length()) if bits >> i & 1}
                    inside = {i for i in lawful if 0 <= i < size[1 + axis_number]}
                    assert set(seen) - lawful == set() or _folds(net), f"{where}: the law lacks {set(seen) - lawful}"
                    if len(inside) == len(lawful) and not _folds(net):
                        assert inside >= set(seen)


def check_reverse_walk(walk: Reverse, node: fx.Node, part: Part, place: dict[int, int], index: list[int]) -> None:
    """The walk back from the unit, projected to each axis, finds what the tables say."""
    found = [indices(axis.table.at(index)) for axis in part]
    if any(axis.status == "bound" for axis in part) or not all(found):
        return
    pixels = walk.support(node, place).any(0)
    for number, seen in enumerate(found):
        hit = pixels.movedim(number, 0).reshape(pixels.shape[number], -1).any(1)
        assert seen == hit.nonzero().flatten().tolist()


def indices(bits: tuple[int, int]) -> list[int]:
    low, mask = bits
    return [low + i for i in range(mask.bit_length()) if mask >> i & 1]


def _multiplies_zeros(net: RandomNet) -> bool:
    """Whether zeros of padding meet a factor: a closed path that nothing moves through, though NaN passes it."""
    kinds = [part for step, child in zip(net.steps, net.children_, strict=True) for part in _words(step, child)]
    return "pad constant" in kinds and "se" in kinds


def _words(step: tuple[object, ...], child: object) -> list[str]:
    if step[0] == "branch":
        return [w for s, c in zip(child.steps, child.children_, strict=True) for w in _words(s, c)]  # type: ignore[attr-defined]
    return [" ".join(map(str, step[:2])), str(step[1]) if len(step) > 1 else ""]


def _folds(net: RandomNet) -> bool:
    """Whether a border repeats the input's own values, so that a law without borders can't show them."""
    for step, child in zip(net.steps, net.children_, strict=True):
        if step[0] in {"conv", "pad", "interpolate"} and any(
            m in step for m in ("reflect", "circular", "replicate", "linear", "bicubic")
        ):
            return True
        if step[0] == "branch" and _folds(child):  # type: ignore[arg-type]
            return True
    return False


@pytest.mark.parametrize("block", range(8))
def test_random_nets_agree_with_poisoned_pixels(block: int) -> None:
    """200 nets."""
    for seed in range(25 * block, 25 * block + 25):
        check_seed(seed, check)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("block", range(20))
def test_many_random_nets_agree_with_poisoned_pixels(block: int) -> None:
    """2,000 nets more."""
    for seed in range(1000 + 100 * block, 1100 + 100 * block):
        check_seed(seed, check)


def test_the_oracle_sees_a_wrong_field() -> None:
    """The experiment itself: a dilated convolution's holes are seen, and only they."""
    net = torch.nn.Sequential(torch.nn.Conv2d(1, 1, 3, padding=2, dilation=2))
    oracle = Oracle(net, (1, 9, 9))
    place = (slice(None), slice(None), 4, 4)
    assert oracle.upper(oracle.graph.nodes[0], 0, place) == [2, 4, 6]
    assert oracle.lower(oracle.graph.nodes[0], 1, place) == [2, 4, 6]
    assert rf.theoretical(net, (1, 9, 9))["0"].axes[0].holes == ((1, 1), (3, 1))
