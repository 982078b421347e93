"""Curves of several models: what is the same is one line and said in words, nets of other structure share depth."""

from __future__ import annotations

import dataclasses

from rftools.plots import describe
from rftools.plots import scene as sc
from rftools.plots.comparison import DEPTH, Curve, curves
from rftools.plots.ranges import shown
from tests import drawn

SHARE = sc.PlotAxis("zeros", "%")


def test_lines_that_would_hide_each_other_are_one_under_both_names() -> None:
    given = [Curve("a", (1.0, 2.0)), Curve("b", (1.0, 3.0)), Curve("c", (1.0, 2.0))]
    scene = curves(["x", "y"], given, "Zeros", SHARE)
    assert [line.label for line in scene.marks(sc.Line)] == ["a = c", "b"]
    assert scene.caption.endswith("a and c do not differ.")
    assert scene.panels[0].title == "Zeros"


def test_no_difference_is_a_sentence() -> None:
    scene = curves(["x", "y"], [Curve("a", (1.0, 2.0)), Curve("b", (1.0, 2.0))], "Zeros", SHARE)
    assert scene.panels[0].title == "Zeros: the same in all 2 models"
    assert len(list(scene.marks(sc.Line))) == 1


def test_shares_are_drawn_from_none_to_all() -> None:
    for values in ((1e-5, 0.0), (95.0, 100.0)):
        scene = curves(["x", "y"], [Curve("a", values)], "Zeros", SHARE)
        assert shown(scene.panels[0], "y") == (0.0, 103.0)


def test_nets_of_other_structure_share_depth() -> None:
    scene = curves(["x", "y", "z"], [Curve("a", (1.0, 2.0, 3.0)), Curve("b", (4.0, None, 6.0))], "R", SHARE, step=DEPTH)
    assert [line.x for line in scene.marks(sc.Line)] == [(0.0, 0.5, 1.0), (0.0, 1.0)]
    assert scene.panels[0].x.ticks is None
    assert next(scene.marks(sc.Line)).hover[1] == "a, 50 % of depth: 2 %"


def test_a_global_pool_is_not_a_fall() -> None:
    """Fields of 3 and 41 pixels, then a layer that sees all 20 of the image: a mark of its own, no line down to it."""
    wide = drawn.theoretical(axes=(drawn.axis(41, 2, -20, 5),) * 2)
    scene = describe(wide, "growth")
    (line,) = scene.marks(sc.Line)
    assert line.y[:2] == (3.0, 41.0)
    assert line.y[2] != line.y[2]
    assert [points.y for points in scene.marks(sc.Points)] == [(20.0,)]


def test_a_sheet_of_tuning_names_filters() -> None:
    result = drawn.tuning()
    row = result.layers[0]
    turned = dataclasses.replace(
        row, filters=tuple(dataclasses.replace(f, selective=f.filter == 1) for f in row.filters)
    )
    scene = describe(dataclasses.replace(result, layers=(turned,)), "sheet")
    assert scene.panels[1].y.ticks == ((0.0, "1"), (1.0, "0"))  # the selective one comes first
    assert [text.text for text in scene.marks(sc.Text)] == ["1", "0"]
