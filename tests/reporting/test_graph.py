"""The drawing of the net: what stands in a box, which lines run between them, and where they lie."""

from __future__ import annotations

import itertools
import random
import xml.etree.ElementTree as ET

import networkx as nx
import pytest
import torch
from torch import nn

import rftools as rf
from rftools.capture import capture
from rftools.reporting.drawing.diagram import connections, diagrams, drawing
from rftools.reporting.drawing.lanes import Layout, layout, ranks
from rftools.reporting.subject.architecture import MOST, Level, levels


class Branched(nn.Module):
    """A residual block with a projection, then two branches that are put together."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 4, 3, padding=1))
        self.side = nn.Conv2d(1, 4, 1)
        self.left, self.right = nn.Conv2d(4, 2, 5, padding=2), nn.Conv2d(4, 2, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.first(x) + self.side(x)
        return torch.cat([self.left(x), self.right(x)], dim=1)


SIZE = (1, 16, 16)


def lines(level: Level) -> set[tuple[str, str]]:
    return {(level.boxes[a].label, level.boxes[b].label) for a, b in level.edges}


def test_modules_open_level_by_level() -> None:
    closed, folded, opened = levels(capture(Branched(), SIZE))
    ends = {
        ("left", "/cat"),
        ("right", "/cat"),
        ("/add", "left"),
        ("/add", "right"),
        ("side", "/add"),
        ("input", "side"),
    }
    assert lines(closed) == ends | {("input", "first"), ("first", "/add")}
    assert lines(folded) == ends | {("input", "first.0"), ("first.0", "first.2"), ("first.2", "/add")}
    assert lines(opened) == ends | {
        ("input", "first.0"), ("first.0", "first.1"), ("first.1", "first.2"), ("first.2", "/add"),
    }  # fmt: skip
    assert [box.kind for box in folded.boxes if box.label == "first.0"] == ["Conv2d +1"]


def test_every_box_is_a_layer_of_the_analysis() -> None:
    for model in (rf.load("torchvision:resnet18"), rf.load("rftools:wavenet")):
        known = {row.name for row in rf.theoretical(model)}
        for level in levels(capture(model.module, model.require_input_size())):
            assert {box.layer for box in level.boxes[1:]} <= known
            assert all(a < b for a, b in level.edges)


def test_thousands_of_layers_share_boxes() -> None:
    net = nn.Sequential(*(nn.Conv2d(1, 1, 1) for _ in range(2 * MOST + 1)))
    (level,) = levels(capture(net, SIZE))
    assert len(level.boxes) == 1 + -(-(2 * MOST + 1) // 3)
    assert (level.boxes[1].label, level.boxes[1].kind, level.boxes[1].layer) == ("0 to 2", "3 layers", "2")


def random_graph(seed: int) -> tuple[int, list[tuple[int, int]]]:
    draw = random.Random(seed)
    count = draw.randint(2, 30)
    edges = {(draw.randrange(second), second) for second in range(1, count)}
    edges |= {tuple(sorted(draw.sample(range(count), 2))) for _ in range(draw.randint(0, 20))}
    return count, sorted(edges)


@pytest.mark.parametrize("seed", range(30))
def test_rows_peel_off_what_nothing_leads_to(seed: int) -> None:
    count, edges = random_graph(seed)
    generations = nx.topological_generations(nx.DiGraph(edges))
    expected = {box: row for row, boxes in enumerate(generations) for box in boxes}
    assert dict(enumerate(ranks(count, edges))) == expected


@pytest.mark.parametrize("seed", range(30))
def test_nothing_lies_on_anything_else(seed: int) -> None:
    count, edges = random_graph(seed)
    plan = layout(count, edges)
    places = list(zip(plan.rows, plan.lanes, strict=True))
    for edge, lane in plan.passing.items():
        places += [(row, lane) for row in range(plan.rows[edge[0]] + 1, plan.rows[edge[1]])]
    assert len(set(places)) == len(places)
    long = {edge for edge in edges if plan.rows[edge[1]] - plan.rows[edge[0]] > 1}
    assert set(plan.passing) == long


def test_a_chain_stays_in_one_lane() -> None:
    assert layout(5, list(itertools.pairwise(range(5)))) == Layout((0, 1, 2, 3, 4), (0,) * 5, {})


def test_the_drawing_says_what_the_fields_are() -> None:
    net = Branched()
    result = rf.theoretical(net, input_size=SIZE)
    found = levels(capture(net, SIZE))
    root = ET.fromstring(drawing(found[0], {row.name: row for row in result}, SIZE[1:]))
    words = {link.get("data-layer"): link.get("aria-label") for link in root.iter("a")}
    assert words["left"] == "left, Conv2d, 9 px"
    bars = [float(bar.get("width", "nan")) for bar in root.iter("rect") if bar.get("class") == "bar"]
    assert max(bars) == pytest.approx(9 / 16 * 194, abs=0.05)
    table = {row[0]: row[1:] for row in connections(found[0], {row.name: row for row in result})}
    assert table["/cat"] == ("cat", "9 px", "left, right")
    assert table["input"] == ("1x16x16", "", "")


def test_the_folded_drawing_is_shown_first() -> None:
    net = Branched()
    assert [d.first for d in diagrams(levels(capture(net, SIZE)), rf.theoretical(net, input_size=SIZE))] == [
        False, True, False,
    ]  # fmt: skip
