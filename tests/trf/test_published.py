"""Every row of the published table of TF-Slim's nets: size and stride, and the padding where it is defined."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
import torch

import rftools as rf
from tests import tf_slim

LONG = {"resnet_v1_152", "resnet_v1_200", "resnet_v2_101", "resnet_v2_152", "resnet_v2_200", "inception_v4"}
LONG |= {"inception_resnet_v2", "mobilenet_v1_075", "inception_v2-no-separable-conv"}  # the same fields as another


def published() -> list[dict[str, str]]:
    with open(Path(__file__).parents[1] / "data" / "araujo2019_rf.csv", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def cases() -> list[object]:
    """Each net at 224 and 321; the rows without a resolution hold at both."""
    return [
        pytest.param(name, size, marks=pytest.mark.slow if name in LONG else (), id=f"{name}-{size}")
        for name in tf_slim.NETS
        for size in (224, 321)
    ]


def test_every_published_net_is_rebuilt() -> None:
    assert {row["net"] for row in published()} == set(tf_slim.NETS)
    assert len(published()) == 561


@pytest.mark.parametrize("name, size", cases())
def test_published_rows(name: str, size: int) -> None:
    torch.manual_seed(0)
    net = tf_slim.build(name)
    with torch.no_grad():
        net(torch.zeros(1, 3, size, size))  # lazy channels take their number
    result = rf.theoretical(net, (3, size, size))
    rows = [row for row in published() if row["net"] == name and row["input_resolution"] in ("", str(size))]
    assert rows
    for row in rows:
        layer = result[row["end_point"]]
        assert (layer.status, layer.aligned) == ("exact", True), row
        for axis in layer.axes:
            assert (axis.size, axis.stride) == (int(row["rf"]), float(row["effective_stride"])), row
            if row["effective_padding"]:
                assert axis.start == -int(row["effective_padding"]), row
