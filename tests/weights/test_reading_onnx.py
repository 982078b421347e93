"""An ONNX export gives the figures of the module that it was made of, pruned by torch's own tool or not.

The exporter takes some nets apart: attention's ``in_proj`` becomes three matrices, a mask on a weight used twice
two weights, and recurrent layers become operators whose weights are not read. `LEFT_OUT` names these and those that it
can't export.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from tests.weights.test_reading import NETS, assert_same, lean, pruned

pytest.importorskip("onnx", reason="the package onnx is not installed")

INPUTS: dict[str, tuple[int, ...]] = {
    "conv1d": (1, 3, 8),
    "conv2d": (1, 3, 12, 12),
    "conv3d": (1, 2, 6, 6, 6),
    "norms": (1, 3, 8, 8),
    "transposed": (1, 4, 5, 5),
    "transposed and grouped": (1, 4, 5, 5),
    "transposed, 1-D": (1, 4, 5),
    "depthwise": (1, 3, 8, 8),
    "depthwise, last": (1, 6, 3),
    "one input channel": (1, 1, 9, 9),
    "weight norm": (1, 3, 8, 8),
    "weight norm of inputs": (1, 3, 8, 8),
    "weight norm of all": (1, 3),
    "old spectral norm": (1, 3, 8, 8),
    "parametrized": (1, 3, 8, 8),
    "parametrized and transposed": (1, 4, 8, 8),
    "used twice": (1, 3, 8, 8),
    "double": (1, 3, 8, 8),
    "half": (1, 3, 8, 8),
    "dead inputs": (1, 3, 8, 6),
    "resnet18": (1, 3, 64, 64),
    "resnext50": (1, 3, 64, 64),
    "mobilenet": (1, 3, 64, 64),
    "vgg-dilated": (1, 3, 64, 64),
    "fcn": (1, 3, 64, 64),
    "conv1d, dilated": (1, 3, 16),
    "strides (2, 1)": (1, 3, 16, 16),
    "3 x 7": (1, 3, 16, 16),
    "1 x k": (1, 3, 9, 9),
    "2 x 2": (1, 3, 12, 12),
    "five by five": (1, 4, 9, 9),
    "bottleneck": (1, 3, 9, 9),
    "conv3d, strides": (1, 2, 5, 9, 9),
    "transposed, 3-D": (1, 3, 4, 4, 4),
    "transposed, strides": (1, 3, 8, 8),
    "mirrored": (1, 3, 8, 8),
    "perceptron": (1, 3, 2, 2),
    "old weight norm": (1, 3, 8, 8),
    "squeezenet": (1, 3, 64, 64),
    "shufflenet": (1, 3, 64, 64),
}
LEFT_OUT = {
    "named norm": "a dictionary of layers has no forward pass",
    "rms norm": "a dictionary of layers has no forward pass",
    "transposed, by name": "a dictionary of layers has no forward pass",
    "tied": "a dictionary of layers has no forward pass",
    "embedding": "an index that depends on the data is not read",
    "attention": "in_proj becomes three matrices",
    "attention, other keys": "masks on parameters beside modules can't be exported",
    "transformer": "the exporter refuses it",
    "lstm": "ONNX's recurrent operators are not read",
    "gru": "ONNX's recurrent operators are not read",
    "bilinear": "takes two inputs",
    "spectral norm": "the exporter has no aten::vdot",
    "spectral norm, transposed": "the exporter has no aten::vdot",
    "bfloat16": "the exporter's convolutions have no bfloat16",
    "vit": "in_proj becomes three matrices",
}
SLOW = ("resnet18", "resnext50", "mobilenet", "vgg-dilated", "fcn", "squeezenet", "shufflenet")


def nameless(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A file's layers have the names that the exporter gave them, and no notes of the module's."""
    return [{key: value for key, value in row.items() if key not in ("name", "note")} for row in rows]


def exported(net: nn.Module, name: str, path: Path) -> Path:
    """Without fusing norms into weights, which would change them."""
    given = torch.randn(INPUTS[name]).to(next(net.parameters()).dtype)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's own
        torch.onnx.export(
            net, (given,), str(path), dynamo=False, training=torch.onnx.TrainingMode.PRESERVE, opset_version=17
        )
    return path


def test_every_net_is_exported_or_named() -> None:
    assert not INPUTS.keys() & LEFT_OUT.keys()
    assert INPUTS.keys() | LEFT_OUT.keys() == NETS.keys()


@pytest.mark.parametrize("name", [pytest.param(n, marks=pytest.mark.slow) if n in SLOW else n for n in INPUTS])
def test_module_and_onnx_agree(name: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    net = NETS[name]().eval()
    assert_same(nameless(lean(exported(net, name, tmp_path / "a.onnx"))), nameless(lean(net)))
    if name == "used twice":
        return  # each use gets a masked copy
    own = pruned(net)
    assert_same(nameless(lean(exported(own, name, tmp_path / "b.onnx"))), nameless(lean(own)))
