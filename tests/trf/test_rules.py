"""Own rules: found by their name, used in every walk, and as quick as those they stand for where they say so."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import rftools as rf
from rftools.trf import like, rule
from rftools.trf.rules import RULES, Call
from tests.oracle import Oracle

NET = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Conv2d(2, 2, 3))
SIZE = (1, 9, 9)


def wide(call: Call) -> Any:
    """A 3x3 convolution that is said to read every pixel."""
    field = RULES["aten.conv2d"](call)
    return field.couple(2, 3)  # type: ignore[union-attr]


def test_a_rule_that_replaces_one_is_used_in_both_walks() -> None:
    with pytest.warns(UserWarning, match=r"aten\.conv2d replaces one whose step back is short"):
        result = rf.theoretical(NET, SIZE, rules={"aten.conv2d": wide}, surviving=False, paths=["0"])
    assert result["0"].axes[0].global_
    assert result["0"].paths is not None
    assert (result["0"].paths > 0).all()  # the registered rule's short step would have left 3 x 3


def test_a_rule_like_a_registered_one_keeps_its_short_step(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    @like("aten.relu")
    def watched(call: Call) -> Any:
        seen.append(call.carrier.__name__)
        return RULES["aten.relu"](call)

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        own = rf.theoretical(NET, SIZE, rules={"aten.relu": watched}, paths=["2"])["2"].paths
    assert seen == ["Field"]  # the walk back did not ask it
    assert own is not None
    assert (own == rf.theoretical(NET, SIZE, paths=["2"])["2"].paths).all()


def test_like_names_the_closest() -> None:
    with pytest.raises(rf.RequestError, match=r"closest: aten\.relu"):
        like("aten.rellu")


ADDITION = """
import torch
from rftools.trf import Taps, rule

@torch.library.custom_op("rftools_addition::blur", mutates_args=())
def blur(x: torch.Tensor) -> torch.Tensor:
    return torch.nn.functional.avg_pool2d(x, (1, 5), stride=1, padding=(0, 2))

@blur.register_fake
def _(x):
    return torch.empty_like(x)

@rule("rftools_addition.blur")
def blurred(call):
    size = call.shape[-1]
    return call.main("x").window(-1, Taps.window(5, size, size, padding=2))
"""


class Blurred(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 2, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.ops.rftools_addition.blur(self.conv(x))


def test_one_file_adds_a_rule(tmp_path: Path) -> None:
    path = tmp_path / "addition.py"
    path.write_text(ADDITION)
    exec(compile(path.read_text(), str(path), "exec"), {})
    try:
        row = rf.theoretical(Blurred(), SIZE)[""]
        assert ([axis.size for axis in row.axes], row.status) == ([3, 7], "exact")
        oracle = Oracle(Blurred(), SIZE)
        node = oracle.graph.outputs[0][1]
        for number, axis in enumerate(rf.theoretical(oracle.module, SIZE, unit=(4, 4))[""].axes):
            assert axis.window is not None
            assert oracle.upper(node, number, (0, slice(None), 4, 4)) == [*range(axis.window[0], axis.window[1] + 1)]  # type: ignore[arg-type]
    finally:
        del RULES["rftools_addition.blur"]


def test_an_operator_has_one_rule() -> None:
    with pytest.raises(rf.RequestError, match="has a rule already"):
        rule("aten.relu")(wide)


def test_an_unknown_option_is_refused() -> None:
    with pytest.raises(rf.RequestError, match=r"takes no option 'grpah' \(closest: graph"):
        rf.theoretical(NET, SIZE, grpah=None)  # type: ignore[call-arg]
