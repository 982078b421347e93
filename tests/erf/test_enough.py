"""As many images as it takes: which layers go on, what is said of it, and what an interruption leaves."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

import rftools as rf
from rftools.erf.enough import LOOKS, Seen
from rftools.erf.intervals import half_width
from rftools.erf.words import notes_of


class Uneven(nn.Module):
    """A layer whose field is the same for all images, and one whose field is another in each."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.even = nn.Conv2d(1, 2, 3, padding=1)
        self.gate = nn.Conv2d(1, 2, 1)
        self.uneven = nn.Conv2d(2, 1, 9, padding=4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.uneven(self.even(x) * self.gate(x).mul(4).exp())


def measured(**options: Any) -> Any:
    return rf.effective(Uneven(), "white", input_size=(1, 16, 16), layers=["even", "uneven"], **options)


def test_layers_that_are_known_drop_out_and_the_others_go_on() -> None:
    result = measured()
    assert result["even"].images == LOOKS[1]
    assert result["uneven"].images == LOOKS[-1]
    assert result.precision is not None
    assert not result.precision["reached"]
    assert [miss["layer"] for miss in result.precision["missed"]] == ["uneven"]
    assert any("not so well known: uneven" in line for line in notes_of(result))


@pytest.mark.parametrize("layer", ["even", "uneven"])
def test_what_it_took_is_what_as_many_images_give(layer: str) -> None:
    """The first images of noise are the same however many are made."""
    row = measured()[layer]
    again = measured(count=row.images)[layer]
    assert again.map == pytest.approx(row.map, rel=1e-4, abs=1e-7 * row.scale)
    assert again.measures["radius_50"].value == pytest.approx(row.measures["radius_50"].value, rel=1e-5)


def test_it_stops_where_the_interval_is_narrow_enough() -> None:
    """Every layer but those that took all images is known to 5 %; of those that missed it the interval says so."""
    result = measured()
    for row in result:
        width = half_width(row.measures["radius_50"])
        assert width is not None
        assert (width <= 0.05) == (row.name == "even")


def test_a_count_and_a_tensor_mean_all_of_them() -> None:
    assert [row.images for row in measured(count=5)] == [5, 5]
    assert measured(count=5).precision is None
    given = rf.effective(Uneven(), torch.rand(11, 1, 16, 16), layers=["even"])
    assert (given["even"].images, given.precision) == (11, None)


def test_models_that_are_compared_take_the_same_images() -> None:
    found = rf.compare([Uneven(), Uneven()], "white", ["even", "uneven"], input_size=(1, 16, 16))
    assert {row.images for layer in found for row in layer.rows} == {LOOKS[-1]}
    quick = rf.compare([Uneven(), Uneven()], "white", ["even"], input_size=(1, 16, 16))
    assert {row.images for layer in quick for row in layer.rows} == {LOOKS[1]}


@pytest.mark.parametrize("options", [{}, {"count": 20, "batch_size": 8}], ids=["enough", "count"])
def test_rows_are_seen_before_the_end(options: dict[str, int]) -> None:
    seen: list[Seen] = []
    result = measured(watch=seen.append, **options)
    assert len(seen) > 2
    assert list(seen[0].images) == ["even", "uneven"]
    shares = [each.share for each in seen]
    assert shares == sorted(shares)
    assert shares[-1] == 1
    last = seen[-1]
    assert {row.name: row.images for row in result} == last.images
    assert last.measures["uneven"].value == result["uneven"].measures["radius_50"].value
    unwatched = measured(**options)
    assert [row.measures["radius_50"] for row in unwatched] == [row.measures["radius_50"] for row in result]


def at_look(number: int) -> Callable[[Seen], None]:
    """Interrupts after so many looks."""
    left = [number]

    def watch(_: Seen) -> None:
        left[0] -= 1
        if left[0] == 0:
            raise KeyboardInterrupt

    return watch


def test_an_interruption_leaves_what_is_done() -> None:
    result = measured(watch=at_look(2))
    assert result.partial
    assert [row.images for row in result] == [8, 8]
    assert "interrupted" in " ".join(notes_of(result))
