"""The path of a layer in an ONNX graph, from its weight's name or its node's name."""

from __future__ import annotations

import re

from torch import nn

from rftools.loading.formats.onnx.step import Step

TAKEN = frozenset(dir(nn.Module)) | {"training", "images_fixed", "takes_one_batch"}  # what a module has already


class Paths:
    """Gives every layer a path of its own."""

    def __init__(self) -> None:
        self.taken: set[str] = set()

    def new(self, step: Step) -> str:
        """The path of a step, with a number where it is taken, or a folder already."""
        wanted = path_of(step)
        path, count = wanted, 0
        while self._clashes(path):
            count += 1
            path = f"{wanted}_{count}"
        self.taken.add(path)
        return path

    def _clashes(self, path: str) -> bool:
        return any(taken == path or taken.startswith(path + ".") for taken in self.taken)


def path_of(step: Step) -> str:
    """``layer1.0.conv1`` for the weight ``layer1.0.conv1.weight``, or for the node ``/layer1/layer1.0/conv1/Conv``.

    Exporters name either after the module. A weight of folded batch norm (``onnx::Conv_193``) says nothing.

    >>> path_of(Step("Conv", "node_Conv_292", {}, ("x", "layer1.0.conv1.weight"), ("y",), 17))
    'layer1.0.conv1'
    >>> path_of(Step("Conv", "/layer1/layer1.0/conv1/Conv", {}, ("x", "onnx::Conv_193"), ("y",), 17))
    'layer1.0.conv1'
    """
    weight = step.inputs[1]
    if weight.endswith(".weight") and "::" not in weight:
        return _clean(weight.removesuffix(".weight"))
    if step.name.startswith("/"):
        return _clean(_joined(step.name.strip("/").split("/")[:-1]) or step.op.lower())
    return _clean(step.name or step.op.lower())


def _joined(scopes: list[str]) -> str:
    """Scopes that begin with the one before go on from it: ``layer1``, ``layer1.0``, ``conv1``."""
    path: list[str] = []
    for scope in scopes:
        if path and scope.startswith(path[-1] + "."):
            path[-1] = scope
        else:
            path.append(scope)
    return ".".join(path)


def _clean(path: str) -> str:
    """Only what an attribute path may hold, and no empty part."""
    parts = [re.sub(r"\W", "_", part) for part in path.split(".")]
    return ".".join(f"{part}_" if part in TAKEN else part for part in parts if part) or "layer"
