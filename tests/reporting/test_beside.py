"""Models side by side: maps on one scale, the difference, its interval in words, and half roses."""

from __future__ import annotations

import base64
import dataclasses
import io
import re

import numpy as np
import pytest
from matplotlib import colormaps
from PIL import Image

from rftools.reporting.page.alignment import align, same
from rftools.reporting.page.beside import beside, compared
from rftools.reporting.sections import Value, quantities
from rftools.reporting.sources.results import from_results
from rftools.reporting.subject.subject import Subject
from tests import drawn

SIZES = next(quantity for quantity in quantities() if quantity.key == "effective-size")


def subject(name: str, factor: float = 1.0, **changes: object) -> Subject:
    """A toy's results; its second map to the power of ``factor``, which narrows it."""
    model = dataclasses.replace(drawn.MODEL, name=name)
    whole = drawn.effective()
    rows = (whole.layers[0], dataclasses.replace(whole.layers[1], map=whole.layers[1].map ** factor))
    results = [drawn.theoretical(), dataclasses.replace(whole, layers=rows), drawn.sparsity(), drawn.orientation()]
    made = from_results([dataclasses.replace(result, model=model) for result in results])  # type: ignore[type-var]
    return dataclasses.replace(made, **changes)  # type: ignore[arg-type]


def shown(url: str) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2]))).convert("RGB"), dtype=float)


def test_both_maps_are_shares_in_one_scale_and_the_difference_is_theirs() -> None:
    """Read back from the pictures by their colours: shares of each map's own sum, and second minus first."""
    pair = [subject("a"), subject("b", 2.0)]
    found = beside(pair, ["a", "b"], align(SIZES, pair))
    assert found is not None
    assert [layer["name"] for layer in found["layers"]] == ["conv1", "conv2"]
    entry = found["layers"][1]
    shares = [np.abs(each.effective["conv2"].map) / each.effective["conv2"].map.sum() for each in pair]  # type: ignore[index]
    top = max(share.max() for share in shares)
    for share, cell in zip(shares, entry["maps"], strict=True):
        expected = 255 * colormaps["cividis"](np.floor(255 * np.sqrt(share / top)).astype(int))[..., :3]
        assert np.abs(shown(cell["url"]) - np.floor(expected)).max() <= 4
    change = shares[1] - shares[0]
    levels = np.floor(255 * (0.5 + 0.5 * change / np.abs(change).max())).astype(int)
    expected = 255 * colormaps["PuOr_r"](levels)[..., :3]
    assert np.abs(shown(entry["difference"]["url"]) - np.floor(expected)).max() <= 6


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (Value(2.7, 2.1, 3.4), "the effective size is larger by 2.1 to 3.4 px in b than in a"),
        (Value(-2.7, -3.4, -2.1), "the effective size is smaller by 2.1 to 3.4 px in b than in a"),
        (Value(0.1, -0.3, 0.5), "the effective size differs by no more than chance (-0.3 to 0.5 px) between a and b"),
    ],
)
def test_the_interval_in_words(change: Value, words: str) -> None:
    pair = [subject("a"), subject("b")]
    aligned = align(SIZES, pair)
    assert aligned is not None
    aligned = dataclasses.replace(aligned, changes=(None, change))
    text = compared(pair, ["a", "b"], aligned)
    assert text.startswith(f"In conv2, the deepest layer that both have, {words}; weights that are zero: 53 %")
    found = beside(pair, ["a", "b"], aligned)
    assert found is not None
    assert found["layers"][1]["difference"]["words"] == words.partition(" in b")[0].partition(" between")[0]


def test_models_that_cannot_stand_side_by_side() -> None:
    other = subject("b", input_size=(3, 40, 40))
    assert beside([subject("a"), other], ["a", "b"], None) is None
    assert beside([subject(str(i)) for i in range(13)], list("0123456789abc"), None) is None
    bare = from_results([drawn.theoretical()])
    assert beside([bare, bare], ["a", "b"], None) is None


def test_a_rose_by_weight_says_so() -> None:
    whole = subject("b", orientation=dataclasses.replace(drawn.orientation(), mass="abs"))
    found = beside([subject("a"), whole], ["a", "b"], None)
    assert found is not None
    first, second = (cells[0].words for cells in found["cells"][0])
    assert ", q 0." in first
    assert second.endswith(", by the size of weights, since nothing was pruned")


def test_more_than_four_are_small_multiples() -> None:
    found = beside([subject(str(i)) for i in range(5)], list("01234"), None)
    assert found is not None
    assert (found["few"], found["cells"], found["growth"]) == (False, [], [])
    assert len(found["shown"]["maps"]) == 5


def test_histograms_are_shares_on_one_scale() -> None:
    """Heights read back from the drawings: shares of the kernels, the same scale in both models."""
    pair = [subject("a"), subject("b")]
    found = beside(pair, ["a", "b"], None)
    assert found is not None
    place = next(i for i, layer in enumerate(found["layers"]) if layer["name"] == "conv1")
    row = next(row for row in pair[0].sparsity or () if row.name == "conv1")
    assert row.taps is not None
    for cells in found["cells"][place]:
        histogram = next(cell for cell in cells if "crosses" in cell.words)
        tall = [
            float(text)
            for text in re.findall(r'<rect x="[^"]*" y="[^"]*" width="[^"]*" height="([^"]*)"', histogram.markup)
        ]
        assert np.array(tall) / sum(tall) == pytest.approx(np.array(row.taps) / sum(row.taps), abs=0.01)


def test_what_does_not_differ_is_said_in_words() -> None:
    pair = [subject("a"), subject("b")]
    size = align(next(quantity for quantity in quantities() if quantity.key == "theoretical-size"), pair)
    assert size is not None
    assert same(size).startswith("Theoretical field size of convolutions: the same in both models")
    other = dataclasses.replace(size, values=(*size.values[:-1], (Value(1.0), Value(2.0))))
    assert same(other) == ""


def test_nets_without_a_common_layer_are_beside_each_other_by_depth() -> None:
    """Of three layers and of two: the first, the nearest to the middle (halves to the even one), and the last."""
    first, second = subject("a"), subject("b", 2.0)
    whole = first.effective
    assert whole is not None
    three = tuple(dataclasses.replace(whole["conv2"], name=name) for name in ("x", "y", "z"))
    first = dataclasses.replace(first, effective=dataclasses.replace(whole, layers=three), orientation=None)
    found = beside([first, second], ["a", "b"], None)
    assert found is not None
    assert [layer["name"] for layer in found["layers"]] == [
        "0 % of the depth",
        "50 % of the depth",
        "100 % of the depth",
    ]
    said = [[shown["words"].partition(":")[0] for shown in layer["maps"]] for layer in found["layers"]]
    assert said == [["x", "conv1"], ["y", "conv1"], ["z", "conv2"]]
    assert found["changes"] == []
    pair = [first.effective["z"].map, second.effective["conv2"].map]  # type: ignore[index]
    top = max((np.abs(each) / np.abs(each).sum()).max() for each in pair)
    for cell, own in zip(found["layers"][2]["maps"], pair, strict=True):
        expected = 255 * colormaps["cividis"](
            np.floor(255 * np.sqrt(np.abs(own) / np.abs(own).sum() / top)).astype(int)
        )
        assert np.abs(shown(cell["url"]) - np.floor(expected[..., :3])).max() <= 4
