"""What CONTRIBUTING promises: a measure is one file."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch
from torch import nn

import rftools as rf
from rftools.erf import measures

TOY = '''
"""How pointed a map is."""

from rftools.erf.measures import measure


@measure("peak", unit="1")
def peak(maps, frame):
    """The largest value of the map."""
    return maps.reshape(len(maps), -1).max(1)
'''


def test_a_measure_is_one_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "toy.py").write_text(TOY)
    monkeypatch.setattr(measures, "__path__", [*measures.__path__, str(tmp_path)])
    before = list(measures.REGISTRY)
    try:
        assert measures.families(measures.__path__)[-1] == "toy"
        assert list(measures.REGISTRY) == [*before, "peak"]
        row = rf.effective(nn.Sequential(nn.Conv2d(1, 1, 3, padding=1)), torch.rand(2, 1, 9, 9))["0"]
        assert row.measures["peak"].value == row.map.max() > 0
    finally:
        measures.REGISTRY.pop("peak", None)
        sys.modules.pop("rftools.erf.measures.toy", None)


def test_every_family_has_its_place_in_the_order_of_results() -> None:
    found = measures.families(measures.__path__)
    assert found[: len(measures.ORDER)] == list(measures.ORDER)
    assert set(found) - set(measures.ORDER) == {"energy", "registry", "rings"}  # what families share
