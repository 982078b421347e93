"""The net's map: what stands in a box, which lines run between them, which folders hold them, and their figures."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

import rftools as rf
from rftools.capture import capture
from rftools.reporting.drawing.netmap import connections, netmap
from rftools.reporting.sources.models import from_model
from rftools.reporting.subject.architecture import MOST, Wiring, architecture
from rftools.reporting.subject.folders import LONG, SHORT


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


def lines(net: Wiring) -> set[tuple[str, str]]:
    return {(net.boxes[a].label, net.boxes[b].label) for a, b in net.edges}


def test_pointwise_steps_stand_in_the_box_before_and_modules_hold_boxes() -> None:
    net = architecture(capture(Branched(), SIZE))
    assert lines(net) == {
        ("input", "first.0"), ("first.0", "first.2"), ("first.2", "/add"), ("input", "side"), ("side", "/add"),
        ("/add", "left"), ("/add", "right"), ("left", "/cat"), ("right", "/cat"),
    }  # fmt: skip
    assert [box.kind for box in net.boxes if box.label == "first.0"] == ["Conv2d +1"]
    assert [(folder.label, folder.kind, folder.parent) for folder in net.folders] == [("first", "Sequential", None)]
    held = [box.label for box, home in zip(net.boxes, net.homes, strict=True) if home == 0]
    assert held == ["first.0", "first.2"]


def test_every_box_and_folder_is_a_layer_of_the_analysis() -> None:
    for model in (rf.load("torchvision:resnet18"), rf.load("rftools:wavenet")):
        known = {row.name for row in rf.theoretical(model)}
        net = architecture(capture(model.module, model.require_input_size()))
        assert {box.layer for box in net.boxes[1:]} | {folder.layer for folder in net.folders} <= known
        assert all(a < b for a, b in net.edges)
        assert all(folder.parent is None or folder.parent < i for i, folder in enumerate(net.folders))


def test_thousands_of_layers_share_boxes_and_folders() -> None:
    count = 2 * MOST + 1
    net = architecture(capture(nn.Sequential(*(nn.Conv2d(1, 1, 1) for _ in range(count))), SIZE))
    assert len(net.boxes) == 1 + -(-count // 3)
    assert (net.boxes[1].label, net.boxes[1].kind, net.boxes[1].layer) == ("0 to 2", "3 layers", "2")
    inside = [sum(home == i for home in net.homes) for i in range(len(net.folders))]
    assert max(inside) == SHORT
    assert sum(folder.parent is None for folder in net.folders) <= LONG
    assert None not in net.homes


def test_the_figures_of_boxes_and_folders_are_those_of_the_results() -> None:
    """Each figure again from the results themselves; a folder's are its last measured, all zeros, the least left."""
    torch.manual_seed(0)
    module = Branched()
    with torch.no_grad():
        module.first[0].weight[:2] = 0.0
        module.first[2].weight[:, :, 0] = 0.0
    subject = from_model(module, SIZE, {"count": 2})
    assert subject.architecture is not None
    assert subject.effective is not None
    data = netmap(subject.architecture, subject)
    boxes = {box["label"]: box for box in data["boxes"]}
    fields = {row.name: row for row in subject.theoretical or ()}
    assert boxes["left"]["values"]["field"] == pytest.approx(100 * 9 / 16)
    assert boxes["left"]["window"] == [4, 4, 9, 9]
    row = subject.effective["first.2"]
    assert boxes["first.2"]["values"]["effective"] == pytest.approx(
        2 * (row.measures["radius_50"].value or 0), rel=1e-5
    )
    folder = data["folders"][0]
    assert (folder["label"], folder["measured"]) == ("first", "first.2")
    assert folder["values"]["effective"] == boxes["first.2"]["values"]["effective"]
    weights = [module.first[i].weight.detach().numpy() for i in (0, 2)]
    zeros = sum(int((w == 0).sum()) for w in weights) / sum(w.size for w in weights)
    assert folder["values"]["zeros"] == pytest.approx(100 * zeros, rel=1e-5)
    left = [fields[name].surviving for name in ("first.0", "first.2")]
    assert folder["values"]["left"] == pytest.approx(100 * np.min([own.share for own in left if own]), rel=1e-5)
    assert boxes["/cat"]["values"].keys() == {"field"}


def test_boxes_and_lines_as_a_table() -> None:
    net = Branched()
    result = rf.theoretical(net, input_size=SIZE)
    rows = connections(architecture(capture(net, SIZE)), {row.name: row for row in result})
    table = {row[0]: row[1:] for row in rows}
    assert table["/cat"] == ("cat", "9 px", "left, right")
    assert table["input"] == ("1x16x16", "", "")
