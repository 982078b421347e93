"""Nets with several inputs, tensors as inputs, and inputs that no field can be counted in."""

from __future__ import annotations

import json

import pytest
import torch
from torch import nn

import rftools as rf
from rftools.cli import main


class Two(nn.Module):
    """A 3x3 path from the first input, a 5x5 path with stride 2 from the second."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(1, 4, 3, 2, 1)
        self.second = nn.Conv2d(3, 4, 5, 2, 2)

    def forward(self, image: torch.Tensor, depth: torch.Tensor) -> torch.Tensor:
        return self.first(image) + self.second(depth)


def make() -> Two:
    return Two()


@pytest.mark.parametrize(("of", "size", "names"), [(0, 3, "first"), (1, 5, "second"), ("depth", 5, "second")])
def test_fields_are_counted_in_one_of_the_inputs(of: int | str, size: int, names: str) -> None:
    sizes = {"image": (1, 16, 16), "depth": (3, 16, 16)}
    result = rf.theoretical(Two(), inputs=sizes if of == "depth" else list(sizes.values()), of=of)
    assert [axis.size for axis in result[""].axes] == [size, size]
    assert [row.name for row in result if row.module == "Conv2d"] == [names]  # the other one sees nothing of it
    assert result.input_size == list(sizes.values())[1 if of else 0]


def test_tensors_and_masks_as_inputs() -> None:
    """A mask of indices is read; pixels are not."""

    class Cropped(nn.Module):
        def forward(self, x: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
            return x[:, :, rows]

    rows = torch.tensor([5, 2, 2])
    result = rf.theoretical(Cropped(), inputs=[torch.rand(1, 1, 8, 8), rows], unit=(1, 0))
    assert result[""].status in {"exact", "unit"}
    assert result[""].axes[0].window == (2, 2)


def test_bad_inputs() -> None:
    with pytest.raises(rf.RequestError, match="there is no input 2; the inputs are 0, 1"):
        rf.theoretical(Two(), inputs=[(1, 8, 8), (3, 8, 8)], of=2)
    with pytest.raises(rf.RequestError, match=r"there is no input dept .closest: depth.; the inputs are image, depth"):
        rf.theoretical(Two(), inputs={"image": (1, 8, 8), "depth": (3, 8, 8)}, of="dept")
    with pytest.raises(rf.RequestError, match=r"missing 1 required positional argument: 'depth'.*by commas"):
        rf.theoretical(Two(), (1, 8, 8))
    with pytest.raises(rf.RequestError, match=r"integer tokens.*the module that follows the embedding"):
        rf.theoretical(nn.Sequential(nn.Embedding(10, 4)), (1, 20))


def test_several_inputs_from_the_command_line(capsys: pytest.CaptureFixture[str]) -> None:
    sizes = ["--input-size", "1x16x16,3x16x16", "--of-input", "1"]
    main(["trf", f"{__file__}:make", *sizes, "--json", "-"])
    layers = json.loads(capsys.readouterr().out)["layers"]
    assert layers[-1]["axes"][0]["size"] == 5


@pytest.mark.parametrize("learning", [True, False])
def test_an_encoder_layer_is_not_taken_for_one_operator(learning: bool) -> None:
    """Without gradients torch would run all of it as one fused operator."""

    class Tokens(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv1d(2, 16, 3)
            self.encoder = nn.TransformerEncoderLayer(16, 2, 32, batch_first=True)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.encoder(self.conv(x).transpose(1, 2))

    net = Tokens().requires_grad_(learning)
    result = rf.theoretical(net, (2, 20))
    assert result["conv"].axes[0].size == 3
    assert result["encoder.norm1"].axes[0].global_
    assert torch.backends.mha.get_fastpath_enabled()


def test_what_a_forward_keeps_is_put_back() -> None:
    """A net that remembers a table for the last shape is not left with one that has no values."""

    class Remembering(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(1, 1, 3, padding=1)
            self.grid = torch.empty(0)
            self.register_buffer("count", torch.zeros(()))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            if self.grid.shape != x.shape[2:]:
                self.grid = torch.ones(x.shape[2:])
            self.count = self.count + 1
            return self.conv(x) + self.grid

    net = Remembering()
    assert rf.theoretical(net, (1, 8, 8))[""].axes[0].size == 3
    assert net.grid.shape == (0,)
    assert float(net.count) == 0
    assert torch.isfinite(net(torch.rand(1, 1, 8, 8))).all()
