"""Real nets: no row is wrong, and the module is afterwards what it was before."""

from __future__ import annotations

from pathlib import Path

import pytest
from torch import nn

from tests.real import NETS, judged
from tests.real.base import Found, RealNet, state_of
from tests.real.page import keep, line
from tests.truth import Judged, Wrong


def marked(name: str, own: RealNet) -> object:
    marks = [] if own.quick else [pytest.mark.slow, pytest.mark.timeout(3600)]
    return pytest.param(name, marks=marks)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", [marked(name, own) for name, own in NETS.items()])
def test_real_nets(name: str) -> None:
    """Rows against what moves; the first call leaves output, hooks, attributes and buffers as they were."""
    pytest.importorskip(NETS[name].package, reason=f"{NETS[name].package} is not installed (rftools[zoo])")
    found = judged(name, most=20 if NETS[name].quick else 60)
    assert found.wrong == []
    assert len(found.judged.unnamed) < sum(found.judged.statuses.values()) / 4
    assert found.count("unknown") == 0 or name.startswith("yolo"), list(found.unsure())


@pytest.mark.parametrize("change", [
    lambda net: net.register_forward_hook(lambda *_: None),
    lambda net: net.train(),
    lambda net: net.weight.data.add_(1),
    lambda net: setattr(net, "seen", 1),
    lambda net: net.weight.requires_grad_(False),
])  # fmt: skip
def test_the_state_shows_changes(change: object) -> None:
    net = nn.Conv1d(1, 1, 1).eval()
    before = state_of(net)
    assert state_of(net) == before
    change(net)  # type: ignore[operator]
    assert state_of(net) != before


def test_a_line_of_the_page_takes_the_place_of_the_old_one(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# Title\n\n| net | of |\n| --- | --- |\n| gpt2 | x |\n\nend\n", encoding="utf-8")
    wrong = Wrong("layer", "add", (0,), 0, "exact", (1,), ())
    keep(page, line("pixelcnn", Found([], Judged(wrong=[wrong]), ["a hook"])))
    keep(page, "| gpt2 | y |")
    text = page.read_text(encoding="utf-8").splitlines()
    assert text[4:] == ["| pixelcnn | torch | 0 | 0 | 0 | 0 | 0 | 2 | |", "| gpt2 | y |", "", "end"]
