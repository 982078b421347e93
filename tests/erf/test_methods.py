"""Attributions of units: each equals captum called directly; what captum can't do is said."""

from __future__ import annotations

import warnings
from typing import Any

import captum.attr as attr
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

import rftools as rf
from rftools.erf.maps.attribution import METHODS, SAMPLES, STEPS
from rftools.runtime.randomness import seeded

UNIT = (4, 5)


def net() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(2, 4, 3, padding=1), nn.ReLU(inplace=True), nn.Conv2d(4, 3, 3, padding=1), nn.ReLU()
    ).eval()


def select(output: torch.Tensor) -> torch.Tensor:
    return output[:, :, UNIT[0], UNIT[1]].sum(1)


def by_captum(module: nn.Module, layer: nn.Module, x: torch.Tensor, method: str) -> torch.Tensor:
    """As a user of captum writes it, a layer at a time, in-place activations apart."""
    module[1].inplace = False  # type: ignore[index]
    direct: dict[str, Any] = {
        "gradient": lambda: attr.NeuronGradient(module, layer).attribute(x, select),
        "integrated-gradients": lambda: attr.NeuronIntegratedGradients(module, layer).attribute(
            x, select, n_steps=STEPS
        ),
        "deconvolution": lambda: attr.NeuronDeconvolution(module, layer).attribute(x, select),
        "guided-backprop": lambda: attr.NeuronGuidedBackprop(module, layer).attribute(x, select),
        "gradient-shap": lambda: attr.NeuronGradientShap(module, layer).attribute(
            x, select, torch.zeros(1, *x.shape[1:]), n_samples=SAMPLES
        ),
        "occlusion": lambda: attr.Occlusion(lambda given: select(_until(module, layer, given))).attribute(x, (2, 1, 1)),
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with seeded(0):
            return direct[method]().detach()


def _until(module: nn.Module, layer: nn.Module, x: torch.Tensor) -> torch.Tensor:
    for child in module.children():
        x = child(x)
        if child is layer:
            return x
    raise AssertionError


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("layer", ["0", "2", "3"])
def test_equals_captum_called_directly(method: str, layer: str) -> None:
    x = torch.randn(3, 2, 10, 12, generator=torch.Generator().manual_seed(1))
    module = net()
    found = rf.effective(module, x, layers=[layer], unit=UNIT, method=method)
    assert module[1].inplace
    assert found.to_dict()["method"] == method
    expected = by_captum(module, module.get_submodule(layer), x, method).abs().mean((0, 1)).numpy()
    assert expected.max() > 0
    assert np.abs(found[layer].map - expected).max() <= 1e-6 * expected.max()


def test_methods_differ_from_the_gradient() -> None:
    x = torch.randn(2, 2, 10, 12, generator=torch.Generator().manual_seed(1))
    maps = [rf.effective(net(), x, layers=["3"], unit=UNIT, method=method)["3"].map for method in METHODS]
    for i, one in enumerate(maps):
        assert all(np.abs(one - other).max() > 1e-3 * one.max() for other in maps[i + 1 :])


def test_batches_do_not_change_attributions() -> None:
    x = torch.randn(5, 2, 10, 12, generator=torch.Generator().manual_seed(1))
    for method in ("integrated-gradients", "guided-backprop", "occlusion"):
        # In double precision: how a float32 product rounds depends on the batch on some processors.
        one, all_ = (
            rf.effective(net().double(), x, layers=["3"], method=method, batch_size=n)["3"].map for n in (2, 5)
        )
        assert one == pytest.approx(all_, rel=1e-5, abs=1e-9)


class Functional(nn.Module):
    """A relu as a function, after the first layer."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.act, self.second = nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Conv2d(2, 2, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.second(self.act(F.relu(self.first(x))))


@pytest.mark.parametrize("method", ["guided-backprop", "deconvolution"])
def test_a_relu_that_is_a_function_is_said(method: str) -> None:
    x = torch.rand(1, 1, 9, 9)
    with pytest.raises(rf.RequestError, match=rf"{method} needs each relu as an nn.ReLU module, and Functional calls "):
        rf.effective(Functional(), x, layers=["second"], method=method)
    assert rf.effective(Functional(), x, layers=["first"], method=method)["first"].map.any()
    with pytest.raises(rf.RequestError, match=rf"{method} changes what nn.ReLU modules pass back, and Sequential has"):
        rf.effective(nn.Sequential(nn.Conv2d(1, 1, 3)), x, method=method)


def test_unknown_method() -> None:
    with pytest.raises(
        rf.RequestError, match=r"no method 'guided-backpropp' \(closest: guided-backprop\); there are gradient"
    ):
        rf.effective(net(), torch.rand(1, 2, 9, 9), method="guided-backpropp")
