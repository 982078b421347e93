"""What is drawn, read from the scene; and that both libraries draw it the same way."""

from __future__ import annotations

import dataclasses
import io
import itertools
import pickle
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
import scipy.stats
import torch
from PIL import Image

import rftools
from rftools.errors import RequestError
from rftools.plots import check_format, describe, plot, save
from rftools.plots import scene as sc
from rftools.plots.backends import plotly as backend_plotly
from rftools.plots.effective.reading import of_unit
from rftools.plots.kinds import table
from rftools.plots.sparsity.taps import binomial_expectation
from rftools.plots.theme import SERIES, THEMES, contrast
from tests import drawn

RESULTS = {
    "rftools.trf": drawn.pruned,
    "rftools.erf": drawn.grid,
    "rftools.erf-comparison": drawn.comparison,
    "rftools.sparsity": drawn.sparsity,
    "rftools.orientation": drawn.orientation,
    "rftools.tuning": drawn.tuning,
    "rftools.probe": drawn.probed,
    "rftools.sparsity, several": lambda first="conv1": [drawn.sparsity(first), drawn.sparsity(first, dead=1)],
    "rftools.orientation, several": lambda first="conv1": [drawn.orientation(first) for _ in range(3)],
    "history": lambda: drawn.HISTORY,
}
ALL = [(schema, kind) for schema, kinds in table().items() for kind in kinds]
HOSTILE = "<script>alert(1)</script>\"'&$x_1$\u202e\x07\u4f60"


# ---- the theme


@pytest.mark.parametrize("name", THEMES)
def test_every_colour_can_be_told_from_its_background(name: str) -> None:
    colour = THEMES[name].colour
    for ground in ("background", "surface"):
        assert contrast(colour("text"), colour(ground)) >= 7
        assert contrast(colour("muted"), colour(ground)) >= 4.5
        assert contrast(colour("series-1"), colour(ground)) >= 4.5  # links
        for series in SERIES:
            assert contrast(colour(series), colour(ground)) >= 3, (series, ground)


def test_contrast_is_that_of_wcag() -> None:
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)  # the standard's own border case
    assert contrast("#0000ff", "#ffffff") == pytest.approx(8.59, abs=0.01)


def test_the_themes_have_the_same_roles_and_no_colour_twice() -> None:
    roles = {name: list(theme.colours) for name, theme in THEMES.items()}
    assert roles["light"] == roles["dark"]
    for theme in THEMES.values():  # a page finds a colour's role by the colour
        assert len(set(theme.colours.values())) == len(theme.colours)


# ---- scenes


def test_growth_draws_the_sizes_and_the_image() -> None:
    scene = describe(drawn.theoretical(), "growth")
    down, across = scene.marks(sc.Line)
    assert (down.y, across.y) == ((3.0, 9.0, 20.0), (3.0, 7.0, 20.0))
    assert [rule.value for rule in scene.marks(sc.ReferenceLine)] == [20]
    assert [points.x for points in scene.marks(sc.Points)] == [(2.0,), (2.0,)]  # the pool sees everything
    assert scene.panels[0].y.title == "field size (px)"


def test_growth_draws_one_curve_where_the_axes_agree() -> None:
    same = drawn.theoretical(axes=(drawn.axis(7, 2, -3, 5),) * 2)
    assert len(list(describe(same, "growth").marks(sc.Line))) == 1


def test_window_tints_exactly_the_pixels_that_reach_the_unit() -> None:
    scene = describe(drawn.theoretical(), "window", layer="conv2")
    (mask,) = scene.marks(sc.Mask)
    expected = np.zeros((20, 20), dtype=bool)
    for row, column in itertools.product(range(7, 16), range(7, 14)):
        expected[row, column] = row != 10  # the hole
    assert np.array_equal(mask.values, expected)
    window, image = scene.marks(sc.Rect)
    assert window.extent == (6.5, 13.5, 6.5, 15.5)  # left, right, top, bottom
    assert image.extent == (-0.5, 19.5, -0.5, 19.5)
    (centre,) = scene.marks(sc.Points)
    assert (centre.x, centre.y) == ((10.0,), (11.0,))


def test_paths_shade_what_is_reached_and_leave_holes_clear() -> None:
    scene = describe(drawn.theoretical(), "paths")
    (shades,) = scene.marks(sc.Heatmap)
    assert shades.values is not None
    assert np.array_equal(~np.isnan(shades.values), drawn.PATHS > 0)
    assert shades.values[11, 10] == 0.0  # most paths
    assert shades.values[7, 7] == pytest.approx(max(np.log10(1 / 20), shades.limits[0]))  # type: ignore[index]
    assert next(scene.marks(sc.Rect)).extent == (-0.5, 19.5, -0.5, 19.5)
    assert "56 pixels are reached" in scene.caption


def test_growth_has_a_band_where_branches_differ() -> None:
    wide = dataclasses.replace(drawn.axis(9, 1, -4, 5), min_size=3)
    scene = describe(drawn.theoretical(axes=(wide, wide)), "growth")
    (band,) = scene.marks(sc.Band)
    assert (band.x, band.low, band.high) == ((0.0, 1.0), (3.0, 3.0), (3.0, 9.0))


def test_two_nets_side_by_side() -> None:
    scene = describe(drawn.theoretical(), "growth", other=drawn.theoretical(axes=(drawn.axis(15, 1, -7, 5),) * 2))
    first, second = scene.marks(sc.Line)
    assert first.y[:2] == (3.0, 9.0)
    assert second.y[:2] == (3.0, 15.0)
    assert first.x == second.x == (0.0, 1.0, 2.0)  # the same names: layer by layer


def test_window_reaches_over_the_border_while_its_tint_does_not() -> None:
    wide = drawn.theoretical(axes=(drawn.axis(31, 1, -15, 3), drawn.axis(31, 1, -15, 3)))
    scene = describe(wide, "window", layer="conv2")
    assert next(scene.marks(sc.Rect)).extent == (-12.5, 18.5, -12.5, 18.5)
    (mask,) = scene.marks(sc.Mask)
    assert mask.values is not None
    assert mask.values[:19, :19].all()
    assert not mask.values[19].any()


def test_window_takes_the_deepest_local_layer() -> None:
    assert "conv2" in describe(drawn.theoretical(), "window").panels[0].title


@pytest.mark.parametrize("shape", [(2, 40), (2, 8, 20, 20)])
def test_window_draws_other_dimensions(shape: tuple[int, ...]) -> None:
    result = drawn.theoretical()
    axes = (drawn.axis(5, 1, -2, 9),) * (len(shape) - 1)
    row = drawn.layer("conv", axes, 20, unit=(9,) * len(axes))
    result = type(result)(model=drawn.MODEL, input_size=shape, layers=(row,))
    scene = describe(result, "window")
    assert next(scene.marks(sc.Rect)).extent[:2] == (6.5, 11.5)
    plot(result, "window")


def test_map_draws_window_ellipse_and_centre() -> None:
    scene = describe(drawn.effective(), "map", layer="conv2")
    linear, ranked = scene.marks(sc.Heatmap)
    assert linear.values is not None
    assert ranked.values is not None
    assert linear.values.max() == 1.0
    values = linear.values
    stronger = [[values[values > value].sum() for value in row] for row in values]  # by counting, pixel by pixel
    assert np.allclose(ranked.values, 100 * np.array(stronger) / values.sum())
    assert ranked.ticks == (0.0, 50, 90, 99)
    assert {rect.extent for rect in scene.marks(sc.Rect)} == {(2.5, 17.5, 2.5, 17.5)}
    ellipse = next(scene.marks(sc.Ellipse))
    assert (ellipse.radii, ellipse.angle) == ((3.0, 1.5), 30.0)
    assert ellipse.centre == pytest.approx((10.0, 10.0), abs=0.05)
    assert next(scene.marks(sc.Points)).x == (10.0,)


def test_several_layers_are_a_sheet_of_all_of_them() -> None:
    titles = [panel.title for panel in describe(drawn.effective(), "map").panels]
    assert titles == ["conv1", "conv2"]
    assert len(describe(drawn.effective(), "map", layer="conv1").panels) == 2  # of one: by value, by share


def test_a_unit_that_looks_back_is_drawn_at_the_end_of_its_window() -> None:
    """Two taps 4 apart after two taps 8 apart, all of them ones: lags 0, 4, 8 and 12, a quarter of the sum each."""
    import rftools as rf

    layers = [torch.nn.ConstantPad1d((8, 0), 0.0), torch.nn.Conv1d(1, 1, 2, dilation=8, bias=False)]
    layers += [torch.nn.ConstantPad1d((4, 0), 0.0), torch.nn.Conv1d(1, 1, 2, dilation=4, bias=False)]
    for layer in layers[1::2]:
        torch.nn.init.ones_(layer.weight)
    net = torch.nn.Sequential(*layers)
    result = rf.effective(net, torch.rand(2, 1, 64), layers=["3"])
    scene = describe(result)
    (place,) = scene.marks(sc.Points)
    assert (place.x, place.label) == ((32.0,), "the unit's own place")
    assert scene.title.endswith("half of the gradient lies within 4 samples before it")
    assert "50 %: 4, 90 %: 12, 99 %: 12 samples" in scene.caption
    (line,) = describe(result, "profile").marks(sc.Line)
    assert [x for x, y in zip(line.x, line.y, strict=True) if y] == [0, 4, 8, 12]
    trf = describe(rf.theoretical(net, input_size=(1, 64)), "window", layer="3")
    assert trf.title == "3: unit 32 sees 13 samples, all before it"
    assert next(trf.marks(sc.Points)).x == (32.0,)
    assert [band.x for band in trf.marks(sc.Band)] == [(at - 0.5, at + 0.5) for at in (20, 24, 28, 32)]


def test_three_axes_are_cut_through_the_unit() -> None:
    import rftools as rf

    torch.manual_seed(0)
    result = rf.effective(torch.nn.Conv3d(1, 1, (3, 3, 5), padding=(1, 1, 2)), torch.rand(2, 1, 6, 9, 11))
    scene = describe(result)
    values = np.abs(result.layers[-1].map)
    cuts = [values[3], values[:, 4], values[:, :, 5]]
    for heat, cut in zip(scene.marks(sc.Heatmap), cuts, strict=True):
        assert np.allclose(np.square(heat.values), cut / values.max())
    assert [panel.title for panel in scene.panels] == ["depth 3", "row 4", "column 5"]
    assert scene.panels[1].y.label == "depth"


def test_contours_hold_their_share_of_the_sum() -> None:
    """Pixels inside a contour of a smooth map hold the share that it is labelled with."""
    from matplotlib.path import Path as Outline

    from rftools.plots.effective.overlays import contours

    y, x = np.mgrid[:80, :90]
    blob = np.exp(-0.5 * (((x - 40) / 9) ** 2 + ((y - 35) / 5) ** 2))
    lines = contours(blob)
    assert [line.label for line in lines] == ["holds 50 %", "holds 90 %", "holds 99 %"]
    for line, share in zip(lines, (0.5, 0.9, 0.99), strict=True):
        assert isinstance(line, sc.Line)
        inside = Outline(np.column_stack([line.x, line.y])[:-1]).contains_points(
            np.column_stack([x.ravel(), y.ravel()])
        )
        assert blob.ravel()[inside].sum() / blob.sum() == pytest.approx(share, abs=0.03)


def test_a_map_is_drawn_over_what_was_looked_at() -> None:
    import rftools as rf

    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Conv2d(3, 1, 5, padding=2))
    result = rf.effective(net, torch.rand(3, 3, 16, 20), layers=["0"])
    for name, image in (("first", result.pictures["first"]), ("mean", result.pictures["mean"])):
        (drawn_image,) = describe(result, "map", image=name).marks(sc.Image)
        assert drawn_image.pixels is not None
        grey = image.astype(float) @ (0.299, 0.587, 0.114)
        assert np.abs(drawn_image.pixels[..., 0] - (40 + 0.6 * grey)).max() <= 1
    noise = rf.effective(net, "white", layers=["0"], input_size=(3, 16, 20), count=2)
    assert not list(describe(noise, "map").marks(sc.Image))


def test_growth_is_in_pixels_and_has_the_root_of_depth() -> None:
    import rftools as rf

    torch.manual_seed(0)
    net = torch.nn.Sequential(*[torch.nn.Conv2d(1, 1, 3, padding=1) for _ in range(4)])
    result = rf.effective(net, torch.rand(4, 1, 21, 21))
    lines = {line.label: line for line in describe(result, "growth").marks(sc.Line)}
    effective = lines["effective (width of 95 % of the sum)"].y
    for k, row in enumerate(result):
        share = row.measures["relative_size"].value
        assert share is not None
        assert effective[k] == pytest.approx(share * (3 + 2 * k))
    root = np.sqrt(np.arange(1, 5))
    best = np.linalg.lstsq(root[:, None], np.array(effective), rcond=None)[0][0]
    assert lines["as the root of depth"].y == pytest.approx(best * root)


def test_effective_growth_has_the_interval() -> None:
    scene = describe(drawn.effective(), "growth")
    (band,) = scene.marks(sc.Band)
    assert (band.low, band.high) == ((4.5, 4.5), (5.5, 5.5))
    theory, effective = scene.marks(sc.Line)
    assert (theory.y, effective.y) == ((3.0, 15.0), (5.0, 5.0))


def test_radial_profile_of_a_gaussian_is_that_gaussian() -> None:
    scene = describe(drawn.effective(), "profile", layers=("conv1",))
    (line,) = scene.marks(sc.Line)
    assert line.y[0] == max(line.y) == 1.0
    ring = [np.exp(-0.5 * d2) for d2 in (1, 1, 1, 1, 2, 2, 2, 2)]  # the pixels at distance 0.5 to 1.5
    assert line.y[1] == pytest.approx(np.mean(ring))


def test_binomial_expectation_is_scipys() -> None:
    expected = 500 * scipy.stats.binom.pmf(np.arange(10), 9, 0.3)
    assert np.allclose(binomial_expectation(9, 0.3, 500), expected)


def test_taps_draws_counts_and_expectation() -> None:
    scene = describe(drawn.sparsity(), "taps")
    (bars,) = scene.marks(sc.Bars)
    assert bars.heights == tuple(float(n) for n in drawn.sparsity()["conv1"].taps or ())
    (points,) = scene.marks(sc.Points)
    assert sum(points.y) == pytest.approx(128)


def test_survival_is_drawn_as_the_kernel_is_seen() -> None:
    (heat,) = describe(drawn.sparsity(), "survival").marks(sc.Heatmap)
    assert heat.values is not None
    assert heat.values[0].tolist() == [0.0, 0.1, 0.2]  # first row on top: y reversed
    assert describe(drawn.sparsity(), "survival").panels[0].y.reversed


def areas(bars: sc.PolarBars) -> list[float]:
    """What each sector covers, in bins of 15 degrees at radius 1."""
    widths = [(high - low) / 15 for low, high in itertools.pairwise(bars.edges)]
    return [width * radius**2 for width, radius in zip(widths, bars.radii, strict=True)]


@pytest.mark.parametrize("full", [False, True])
def test_areas_of_a_rose_are_true_on_the_half_circle_and_on_the_full_one(full: bool) -> None:
    scene = describe(drawn.orientation(), full=full)
    assert len(scene.panels) == 1  # conv2 has no oriented kernel
    assert scene.panels[0].half is not full
    (bars,) = scene.marks(sc.PolarBars)
    assert (bars.edges[0], bars.edges[-1]) == (0, 360 if full else 180)
    assert not full or bars.radii[:12] == bars.radii[12:]
    area = np.array(areas(bars)[:12])
    counts = np.array(drawn.orientation()["conv1"].histogram.counts)
    assert np.allclose(area / area.sum(), counts / counts.sum())
    assert area.mean() == pytest.approx(1.0)  # an even spread is at radius 1


def test_a_bin_over_zero_is_drawn_at_both_ends_of_the_half_circle() -> None:
    result = drawn.orientation()
    row = result.layers[0]
    edges = tuple(-7.5 + 15.0 * i for i in range(13))
    moved = dataclasses.replace(row, histogram=dataclasses.replace(row.histogram, edges=edges))
    (bars,) = describe(dataclasses.replace(result, layers=(moved,))).marks(sc.PolarBars)
    assert (bars.edges[:2], bars.edges[-2:]) == ((0.0, 7.5), (172.5, 180.0))
    assert bars.radii[0] == bars.radii[-1]
    assert sum(areas(bars)) == pytest.approx(12)
    assert bars.hover[0] == bars.hover[-1] == "-7.5 to 7.5°: 30 kernels (46.2 %)"


def test_a_mean_axis_is_drawn_where_there_is_a_preference_only() -> None:
    none = describe(drawn.orientation(q=0.4))
    assert [bars.colour for bars in none.marks(sc.PolarBars)] == ["muted"]
    assert {line.label for line in none.marks(sc.Line)} == {"even spread"}
    one = describe(drawn.orientation(q=0.01), full=True)
    assert [bars.colour for bars in one.marks(sc.PolarBars)] == ["series-1"]
    outer = one.panels[0].y.limits[1]  # type: ignore[index]
    line = next(line for line in one.marks(sc.Line) if line.label == "mean axis, as long as R")
    assert line.x == (205.0, 25.0, 25.0)
    assert line.y == pytest.approx((0.3 * outer, 0, 0.3 * outer))


def test_a_rose_stands_against_its_lattice() -> None:
    """Two taps a kernel: of 36 masks 9 lie along x, 2 obliquely, 5 along a diagonal (counted by hand)."""
    torch.manual_seed(0)
    conv = torch.nn.Conv2d(12, 12, 3)
    keep = torch.rand(144, 9).argsort(1).argsort(1) < 2
    conv.weight.data *= keep.reshape(12, 12, 3, 3)
    scene = describe(rftools.orientation(torch.nn.Sequential(conv)), full=True)
    line = next(line for line in scene.marks(sc.Line) if line.label == "random taps, mean")
    envelope = next(scene.marks(sc.Band))
    for angle, masks in ((0, 9), (30, 2), (45, 5), (90, 9)):
        place = int(np.argmin(np.abs(np.array(line.x) - angle)))
        assert line.y[place] ** 2 == pytest.approx(12 * masks / 36, abs=1e-6)
        assert envelope.low[place] <= line.y[place] <= envelope.high[place]


def test_curves_draw_percent() -> None:
    lines = list(describe(list(drawn.HISTORY), chance=0.1).marks(sc.Line))
    assert [line.label for line in lines] == ["training", "held out"] * 2
    assert lines[3].y == (45.0,) * 4


# ---- several models


def test_a_course_runs_from_model_to_model_layer_by_layer() -> None:
    results = [drawn.orientation(), drawn.orientation(q=0.9)]
    pooled, single, lengths = describe(results, "course").panels
    (line,) = (mark for mark in pooled.marks if isinstance(mark, sc.Line))
    assert (line.x, line.y, line.label) == ((0.0, 1.0), (0.1, 0.1), "conv1")
    (line,) = (mark for mark in lengths.marks if isinstance(mark, sc.Line))
    assert line.y == (0.3, 0.3)
    assert (single.x.label, single.x.ticks) == ("model", ((0.0, "1: best"), (1.0, "2: best")))
    with pytest.raises(RequestError, match="layer 'conv9' is not in all 2 models"):
        describe(results, "course", layers=["conv9"])
    with pytest.raises(RequestError, match="share no layer"):
        describe([drawn.orientation("a"), drawn.orientation("b")], "course")


def test_sheets_have_a_row_a_model_and_a_column_a_layer() -> None:
    scene = describe([drawn.orientation(), drawn.orientation(), drawn.orientation()], "sheet")
    assert (scene.rows, scene.columns) == (3, 1)
    assert scene.panels[2].title == "3: best: R = 0.300, p = 0.4\nconv1"
    scene = describe([drawn.sparsity(), drawn.sparsity()])
    first, second = scene.marks(sc.Heatmap)
    assert first.limits == second.limits == (0.0, 1.0)
    np.testing.assert_array_equal(first.values, np.arange(9).reshape(3, 3) * 0.1)


def test_mixed_lists_cannot_be_drawn() -> None:
    with pytest.raises(RequestError, match="a list cannot be drawn"):
        describe([drawn.orientation(), drawn.sparsity()])


def test_the_mean_axis_has_its_interval_at_both_ends() -> None:
    bands = list(describe(drawn.orientation(q=0.01), full=True).marks(sc.Band))
    assert [(round(band.x[0], 6), round(band.x[-1], 6)) for band in bands] == [(10.0, 40.0), (190.0, 220.0)]
    assert [band.label for band in bands] == ["95 % interval of the axis", None]  # named once
    (half,) = describe(drawn.orientation(q=0.01)).marks(sc.Band)
    assert (round(half.x[0], 6), round(half.x[-1], 6)) == (10.0, 40.0)


def test_kernels_are_pictures_with_their_orientation_below() -> None:
    scene = describe(drawn.orientation(), "kernels")
    assert len(list(scene.marks(sc.Image))) == 3
    flat, tilted = scene.marks(sc.Line)  # the third has none
    assert flat.y[0] == flat.y[1]
    assert tilted.x[1] - tilted.x[0] == pytest.approx(tilted.y[0] - tilted.y[1])  # rows grow downwards


# ---- both libraries


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("schema, kind", ALL)
def test_matplotlib_draws_everything(schema: str, kind: str, theme: str) -> None:
    figure = plot(RESULTS[schema](), kind, theme=theme)
    figure.canvas.draw()
    assert figure.get_facecolor()[:3] == tuple(
        int(THEMES[theme].colour("background")[i : i + 2], 16) / 255 for i in (1, 3, 5)
    )


@pytest.mark.parametrize("schema, kind", ALL)
def test_plotly_draws_everything(schema: str, kind: str) -> None:
    result = RESULTS[schema]()
    figure = plot(result, kind, backend="plotly", theme="dark")
    assert len(figure.data) > 0
    figure.to_json()


@pytest.mark.parametrize("schema, kind", ALL)
def test_both_draw_the_same_lines(schema: str, kind: str) -> None:
    result = RESULTS[schema]()
    scene = describe(result, kind)
    lines = [line for panel in scene.panels if not panel.polar for line in panel.marks if isinstance(line, sc.Line)]
    axes = plot(result, kind).axes
    drawn_by = {"matplotlib": [], "plotly": []}  # type: dict[str, list[list[float]]]
    for line in itertools.chain.from_iterable(a.get_lines() for a in axes if a.name != "polar"):
        drawn_by["matplotlib"].append(list(line.get_ydata()))
    for trace in plot(result, kind, backend="plotly").data:
        if trace.type == "scatter" and trace.y is not None:
            drawn_by["plotly"].append(list(trace.y))
    for line in lines:
        for library, found in drawn_by.items():
            assert any(np.array_equal(line.y, y, equal_nan=True) for y in found if len(y) == len(line.y)), library


def test_row_zero_is_on_top_in_both() -> None:
    result = drawn.theoretical()
    bottom, top = plot(result, "window").axes[0].get_ylim()
    assert bottom > top
    first, last = plot(result, "window", backend="plotly").layout.yaxis.range
    assert first > last


def test_an_ellipse_leans_the_way_its_angle_says() -> None:
    """At 30 degrees the far end of the major axis is right of and above the centre: smaller row, larger column."""
    figure = plot(drawn.effective(), "map", layer="conv2")
    figure.canvas.draw()
    (patch,) = [p for p in figure.axes[0].patches if type(p).__name__ == "Ellipse"]
    path = patch.get_transform().transform_path(patch.get_path()).to_polygons()[0]
    centre = path.mean(axis=0)
    far = path[np.argmax(np.hypot(*(path - centre).T))] - centre  # on the screen, y upwards
    assert np.rad2deg(np.arctan2(far[1], far[0])) % 180 == pytest.approx(30, abs=3)
    traces = plot(drawn.effective(), "map", backend="plotly", layer="conv2").data
    trace = next(t for t in traces if t.name == "one sigma" and t.mode == "lines")
    x, y = np.array(trace.x) - np.mean(trace.x[:-1]), np.array(trace.y) - np.mean(trace.y[:-1])
    k = np.argmax(np.hypot(x, y))
    assert np.rad2deg(np.arctan2(-y[k], x[k])) % 180 == pytest.approx(30, abs=3)  # rows grow downwards


def test_a_sector_at_thirty_degrees_is_drawn_counter_clockwise_from_x() -> None:
    figure = plot(drawn.orientation())
    axes = figure.axes[0]
    assert (axes.get_theta_offset(), axes.get_theta_direction()) == (0.0, 1)
    assert (np.rad2deg(axes.get_xlim()) == (0, 180)).all()
    sector = max(axes.patches, key=lambda p: p.get_height())
    assert np.rad2deg(sector.get_x() + sector.get_width() / 2) % 180 == pytest.approx(7.5)
    polar = plot(drawn.orientation(), backend="plotly").layout.polar.angularaxis
    assert (polar.direction, polar.rotation) == ("counterclockwise", 0)


# ---- names are data


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("schema", [schema for schema in table() if schema != "history"])
def test_hostile_names_are_drawn_as_text(schema: str, tmp_path: Path) -> None:
    result = RESULTS[schema](first=HOSTILE + "x" * 10_000)  # type: ignore[call-arg]
    for kind in table()[schema]:
        save(result, tmp_path / "a.svg", kind=kind)
        assert b"<script" not in (tmp_path / "a.svg").read_bytes()
        ET.parse(tmp_path / "a.svg")
        text = plot(result, kind, backend="plotly").to_json()
        assert "<script" not in text.replace("\\u003c", "<")


def test_dollars_are_not_mathematics(tmp_path: Path) -> None:
    save(drawn.theoretical(first="$\\frac{$"), tmp_path / "a.svg")
    assert "$\\frac{$" in (tmp_path / "a.svg").read_text()


# ---- files


@pytest.mark.parametrize(
    "suffix, head", [("png", b"\x89PNG"), ("svg", b"<?xml"), ("pdf", b"%PDF"), ("html", b"<!doctype")]
)
def test_save_writes_each_format(suffix: str, head: bytes, tmp_path: Path) -> None:
    path = tmp_path / f"a.{suffix}"
    save(drawn.theoretical(), path)
    assert path.read_bytes().startswith(head)
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_the_same_result_gives_the_same_file(tmp_path: Path) -> None:
    for suffix in ("svg", "pdf", "png"):
        save(drawn.sparsity(), tmp_path / f"a.{suffix}")
        save(drawn.sparsity(), tmp_path / f"b.{suffix}")
        assert (tmp_path / f"a.{suffix}").read_bytes() == (tmp_path / f"b.{suffix}").read_bytes()


def test_html_asks_nothing_of_the_network(tmp_path: Path) -> None:
    save(drawn.theoretical(), tmp_path / "a.html")
    page = (tmp_path / "a.html").read_text()
    assert 'src="http' not in page
    assert "<link" not in page


def test_drawing_leaves_pyplot_alone() -> None:
    code = (
        "import sys; from rftools.plots import plot\n"
        "plot([{'epoch': 1, 'loss': 1.0}]); sys.exit('matplotlib.pyplot' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_importing_plots_loads_no_library() -> None:
    code = "import sys, rftools.plots; sys.exit(bool({'matplotlib', 'plotly', 'torch'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


# ---- wrong requests


def refusal(*args: object, **options: object) -> str:
    with pytest.raises(RequestError) as caught:
        plot(*args, **options)  # type: ignore[arg-type]
    return str(caught.value)


def test_wrong_requests_say_what_is_allowed(tmp_path: Path) -> None:
    result = drawn.theoretical()
    assert (
        refusal(result, "grwth")
        == "no plot 'grwth' of this result (closest: growth); there are growth, window, paths, surviving"
    )
    assert refusal(result, backend="bokeh") == "no backend 'bokeh'; there are matplotlib, plotly"
    assert refusal(result, theme="drak") == "no theme 'drak' (closest: dark); the themes are light, dark"
    assert (
        refusal(result, "window", lyer="a")
        == "the plot 'window' has no option 'lyer' (closest: layer); it takes layer, picture"
    )
    assert refusal(result, "window", layer="conv3") == "no layer 'conv3' (closest: conv2, conv1); there are 3 layers"
    assert refusal([]) == "the history holds no epoch; nothing to draw"
    assert refusal(3) == "a int cannot be drawn; plot takes what an analysis returned, or a training history"
    assert refusal(drawn.orientation(), layer="conv2") == "layer 'conv2' has no oriented kernel; nothing to draw"


def test_wrong_formats(tmp_path: Path) -> None:
    with pytest.raises(RequestError) as caught:
        check_format("a.gif")
    assert str(caught.value) == "cannot draw a.gif: it ends in .gif; the formats are .png, .svg, .pdf, .html"
    with pytest.raises(RequestError) as caught:
        check_format("a")
    assert str(caught.value) == "cannot draw a: it has no suffix; the formats are .png, .svg, .pdf, .html"
    with pytest.raises(RequestError, match="does not exist; create it first"):
        save(drawn.theoretical(), tmp_path / "no" / "a.png")


@pytest.mark.parametrize("kind", ["polar", "depth"])
def test_axes_on_the_sphere_are_drawn_as_such(kind: str) -> None:
    """A 3-D layer has no rose: its order stands beside the lattice's null, its anisotropies beside each other."""
    torch.manual_seed(0)
    conv = torch.nn.Conv3d(2, 20, 3)
    conv.weight.data *= torch.rand_like(conv.weight) > 0.8
    result = rftools.orientation(torch.nn.Sequential(conv))
    lines = {line.label: line for line in describe(result, kind).marks(sc.Line)}
    own = result["0"]
    assert lines["order"].y == pytest.approx((own.axes.order,))
    assert lines["chance (95 %)"].y == pytest.approx((own.null_radius,))
    assert lines["mean kernel"].y == pytest.approx((own.anisotropy,))
    assert lines["all kernels pooled"].y == pytest.approx((own.axes.pooled_anisotropy,))
    with pytest.raises(RequestError, match="layer '0' is 3-D"):
        describe(result, "polar", layer="0")


@pytest.mark.parametrize("kind", ["curves", "polar"])
def test_rows_of_plotly_panels_leave_room_for_titles_and_labels(kind: str) -> None:
    """In pixels: between rows for an axis' labels and a two-line title, on top for the title and the legend."""
    scene = dataclasses.replace(describe(drawn.tuning(), kind), columns=1)
    layout = backend_plotly.render(scene, THEMES["light"]).layout
    assert scene.rows == 2
    area = layout.height - layout.margin.t - layout.margin.b
    panels = [getattr(layout, name) for name in layout if name.startswith("polar" if kind == "polar" else "yaxis")]
    spans = sorted({tuple(panel.domain.y if kind == "polar" else panel.domain) for panel in panels})
    gaps = [(high[0] - low[1]) * area for low, high in itertools.pairwise(spans)]
    assert min(gaps) >= 90
    below_title = (1 - layout.title.y) * layout.height + 20  # the title's own line
    top_of_legend = (1 - layout.legend.y) * layout.height
    assert below_title < top_of_legend < top_of_legend + 20 + 32 <= layout.margin.t


@pytest.mark.parametrize("theme", THEMES)
def test_every_entry_of_the_legend_can_be_seen(theme: str) -> None:
    """On the paper, what the entry is drawn with has the contrast of a graphic (3:1)."""
    figure = plot(drawn.effective(), "map", backend="plotly", theme=theme, layer="conv2")
    paper = figure.layout.paper_bgcolor
    shown = [trace for trace in figure.data if trace.showlegend]
    assert "one sigma" in {trace.name for trace in shown}
    for trace in shown:
        inks = [trace.line.color] if trace.mode == "lines" else [trace.marker.color, trace.marker.line.color]
        assert max(contrast(ink, paper) for ink in inks if ink) >= 3, trace.name


def test_a_few_oriented_flat_kernels_are_no_sphere() -> None:
    """Fewer than a rose needs in any layer, and no volume: there is nothing to draw, and a report goes on without."""
    few = drawn.orientation()
    few = dataclasses.replace(few, layers=tuple(dataclasses.replace(row, oriented=1) for row in few))
    with pytest.raises(RequestError, match="no kernel here has an orientation"):
        describe(few, "polar")


def test_a_notebook_shows_the_picture_itself() -> None:
    """As IPython asks for it, whether or not pyplot was imported; a stored figure goes on being one."""
    figure = plot(drawn.theoretical())
    picture = Image.open(io.BytesIO(figure._repr_png_()))
    assert picture.size == tuple(round(side * figure.dpi) for side in figure.get_size_inches())
    assert len(picture.convert("RGB").getcolors(1 << 16) or []) > 3
    assert pickle.loads(pickle.dumps(figure))._repr_png_() == figure._repr_png_()


def test_both_pictures_of_a_sheet_name_the_same_filter_at_the_same_height() -> None:
    panels = describe(drawn.tuning(), "sheet").panels[-2:]
    assert panels[0].y.ticks == panels[1].y.ticks
    assert panels[0].y.ticks


def test_a_unit_without_a_place_is_named_by_its_channel_alone() -> None:
    row = drawn.effective().layers[0]
    named = [of_unit(dataclasses.replace(row, unit=unit, channel=one)) for unit in ((), (1, 2)) for one in (None, 3)]
    assert named == ["conv1", "conv1: channel 3", "conv1: unit (1, 2)", "conv1: unit (1, 2), channel 3"]


def test_a_scattered_region_has_no_contour() -> None:
    """A flat map of noise under a peak: its half lies in one place, nine tenths are the noise's grain."""
    from rftools.plots.effective.overlays import contours

    noise = np.random.default_rng(0).random((120, 120))
    noise[55:65, 55:65] += 1.5 * noise.sum() / 100
    assert [line.label for line in contours(noise)] == ["holds 50 %", "holds 99 %"]  # the last is nearly all of it


def test_drawings_of_sequences_speak_of_samples() -> None:
    import rftools as rf

    net = torch.nn.Sequential(OrderedDict([("px", torch.nn.Conv1d(1, 2, 3)), ("b", torch.nn.Conv1d(2, 1, 3))]))
    for result in (rf.theoretical(net, input_size=(1, 32)), rf.effective(net, torch.randn(2, 1, 32))):
        scene = describe(result, "growth")
        words = " ".join([scene.caption, scene.title, *(str(mark.label) for mark in scene.panels[0].marks)])
        assert scene.panels[0].y.unit == "samples"
        assert not re.search(r"\b(px|pixels?|images?)\b", words)


def test_numbers_below_kernels_stand_in_rows_of_their_own() -> None:
    import rftools as rf

    torch.manual_seed(0)
    scene = describe(rf.tuning(torch.nn.Conv2d(3, 16, 5), input_size=(3, 24, 24), layers=[""]), "sheet")
    tiles = [mark.extent[2:] for mark in scene.panels[0].marks if isinstance(mark, sc.Image)]
    places = [mark.y for mark in scene.panels[0].marks if isinstance(mark, sc.Text)]
    assert len(places) == 16
    for place in places:
        assert all(abs(place - edge) > 0.2 for top, bottom in tiles for edge in (top, bottom))
        assert not any(top < place < bottom for top, bottom in tiles)


def test_axes_with_one_course_are_one_line() -> None:
    import rftools as rf

    net = torch.nn.Sequential(torch.nn.Conv3d(1, 2, (3, 5, 5)), torch.nn.Conv3d(2, 1, (1, 3, 3)))
    scene = describe(rf.theoretical(net, input_size=(1, 8, 16, 16)), "growth")
    assert [mark.label for mark in scene.marks(sc.Line)] == ["field, depth", "field, height and width"]
    labels = [mark.label for mark in scene.marks(sc.ReferenceLine)]
    assert labels == ["image, depth (8 px)", "image, height and width (16 px)"]
