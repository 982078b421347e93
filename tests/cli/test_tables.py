"""Tables in a terminal: no row is split, columns leave in a fixed order, and are named."""

from __future__ import annotations

import dataclasses
import sys

import pytest

import rftools as rf
from rftools.cli.tables import print_rows
from rftools.cli.talk import say
from rftools.tables import lines
from tests import drawn

COLUMNS = ("layer", "operator", "output", "size", "stride", "start", "centre", "holes", "status", "productive")
ROWS = [
    ["features.block1.conv", "conv2d", "16x32x32", "3", "1", "-1", "0", "0", "exact", "yes"],
    ["features.block4.conv", "conv2d", "48x32x32", "31", "1", "-15", "0", "0", "exact", "no"],
]
PAIR = ("layer", "measure", "dense (best.pt)", "pruned (pruned.pt)", "difference", "low", "high", "holds")
CHANGE = [["features.block4", "radius_50", "5.21", "4.87", "-0.34", "-0.51", "-0.17", "holds"]]


def test_at_80_columns_a_table_is_this() -> None:
    assert lines(COLUMNS, ROWS, "vgg-dilated", 80) == [
        "vgg-dilated",
        "layer                 operator    output  size  stride  start  holes  status",
        "----------------------------------------------------------------------------",
        "features.block1.conv    conv2d  16x32x32     3       1     -1      0   exact",
        "features.block4.conv    conv2d  48x32x32    31       1    -15      0   exact",
        "left out at 80 columns: centre, productive (--wide shows all)",
    ]


def test_at_100_columns_a_table_is_this() -> None:
    assert lines(COLUMNS, ROWS, "vgg-dilated", 100) == [
        "vgg-dilated",
        "layer                 operator    output  size  stride  start  centre  holes  status  productive",
        "------------------------------------------------------------------------------------------------",
        "features.block1.conv    conv2d  16x32x32     3       1     -1       0      0   exact         yes",
        "features.block4.conv    conv2d  48x32x32    31       1    -15       0      0   exact          no",
    ]


def test_a_comparison_keeps_what_it_is_about_the_difference_and_its_interval() -> None:
    assert lines(PAIR, CHANGE, None, 100) == [
        "                                dense       pruned",
        "layer            measure    (best.pt)  (pruned.pt)  difference    low   high  holds",
        "-----------------------------------------------------------------------------------",
        "features.block4  radius_50       5.21         4.87       -0.34  -0.51  -0.17  holds",
    ]
    assert lines(PAIR, CHANGE, None, 80) == [
        "                                dense",
        "layer            measure    (best.pt)  difference    low   high  holds",
        "----------------------------------------------------------------------",
        "features.block4  radius_50       5.21       -0.34  -0.51  -0.17  holds",
        "left out at 80 columns: pruned (pruned.pt) (--wide shows all)",
    ]
    assert lines(PAIR, CHANGE, None, 60)[2] == "features.block4  radius_50       -0.34  -0.51  -0.17  holds"


@pytest.mark.parametrize("width", [40, 60, 80, 100, 200])
def test_tables_fit_the_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    """No line is longer than the terminal is wide, a row is one line, and what is not shown is named."""
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    columns = ["layer", *[f"column{i}" for i in range(9)], "empty"]
    rows = [[f"[layer{r}]", *[f"{r}.{i}23" for i in range(9)], ""] for r in range(3)]
    print_rows(columns, rows, title="net [bold]")
    out = capsys.readouterr().out
    found = out.splitlines()
    assert max(map(len, found)) <= width
    assert found[0] == "net [bold]"
    assert "empty" not in out
    whole, _, rest = out.partition("left out")
    shown = [name for name in columns[:-1] if name in whole]
    assert shown == columns[: len(shown)]  # they leave from the right
    assert all(name in rest for name in columns[len(shown) : -1])
    for row in rows:
        (line,) = [line for line in found if row[0] in line]
        assert line.split() == row[: len(shown)]
    print_rows(columns, rows, wide=True)
    wide = capsys.readouterr().out
    assert all(value in wide for row in rows for value in row)
    assert "left out" not in wide


def test_a_long_name_is_folded_before_the_answer_leaves() -> None:
    name = "backbone.layer4.blocks.2.attention.projection"
    found = lines(["layer", "size", "status"], [[name, "31", "exact"]], None, 40)
    assert found[0].split() == ["layer", "size", "status"]
    assert "".join(line.split()[0] for line in found[2:]) == name
    assert found[2].split()[1:] == ["31", "exact"]
    assert max(map(len, found)) <= 40


def test_sentences_take_the_room_that_is_left() -> None:
    rows = [["vgg", "25474", "four convolutions with growing dilation, as in the study"]]
    assert lines(["name", "parameters", "about"], rows, None, 50) == [
        "name  parameters  about",
        "--------------------------------------------------",
        "vgg        25474  four convolutions with growing",
        "                  dilation, as in the study",
    ]
    assert lines(["name", "parameters", "about"], rows, None, 30)[0] == "name  parameters"


def test_columns_without_a_value_leave_first() -> None:
    columns, row = ("layer", "size", "start", "ratio", "angle"), ["conv1", "7", "-", "-", "45"]
    assert lines(columns, [row], None, 30) == [
        "layer  size  angle",
        "------------------",
        "conv1     7     45",
        "left out at 30 columns: start,",
        "ratio (--wide shows all)",
    ]
    assert lines(columns, [row], None, 32)[0] == "layer  size  start  ratio  angle"  # there is room for all
    name = "features.block1.conv"
    assert lines(columns, [[name, *row[1:]]], None, 33)[2].split() == [name, "7", "45"]  # before a name is folded
    assert lines(columns, [row], None, None)[0].split() == list(columns)


def test_what_was_asked_of_a_field_stays_at_80_columns(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    result = rf.theoretical(rf.load("rftools:vgg-strided"), surviving=True)
    columns, rows = result.columns(), result.records()
    asked = (*columns, "sees object")
    shown = lines(asked, [[str(cell) for cell in (*row, "yes")] for row in rows], None, 80)
    assert {"surviving", "left", "object"} <= set(" ".join(shown[:2]).split())


@pytest.mark.parametrize("measures", [("luo_centre",), ("edge_energy", "entropy_area"), ("radius_50", "ellipse_angle")])
def test_measures_that_were_asked_for_are_in_the_table(measures: tuple[str, ...]) -> None:
    result = rf.effective(rf.load("rftools:vgg-dilated"), "white", "features.block1", measures=measures, count=2)
    row = dict(zip(result.columns(), result.records()[0], strict=True))
    assert len(row) == len(result.columns())
    names = {"ellipse_angle": "angle"}
    for measure in measures:
        assert row[names.get(measure, measure)] == result[0].measures[measure].value
    assert (row["low"], row["high"]) == (result[0].measures[measures[0]].low, result[0].measures[measures[0]].high)
    last = result[0].measures[measures[-1]]
    assert "entropy_area" not in measures or (row["entropy_area low"], row["entropy_area high"]) == (
        last.low,
        last.high,
    )


def test_notes_fit_a_terminal(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    say("wrote a/folder/with-a-name/that-is-longer-than-the-terminal-is-wide.png and said so")
    shown = capsys.readouterr().err
    assert shown == "wrote\na/folder/with-a-name/that-is-longer-than-the-terminal-is-wide.png\nand said so\n"


def test_rayleighs_p_stays_where_it_is_the_test_to_read() -> None:
    """Effective fields know no lattice: at 80 columns their p stands beside R, in its own column."""
    own = drawn.orientation()
    row = dataclasses.replace(own.layers[0], name="features.block1.conv", p_lattice=None, q=None, p_rayleigh=0.25)
    ellipses = dataclasses.replace(own, layers=(row,), of="effective")
    assert set(ellipses.columns()) == set(own.columns())
    assert dict(zip(ellipses.columns(), ellipses.records()[0], strict=True)) == dict(
        zip(own.columns(), dataclasses.replace(own, layers=(row,)).records()[0], strict=True)
    )
    cells = [[str(cell or "-") for cell in record] for record in ellipses.records()]
    shown = " ".join(lines(ellipses.columns(), cells, None, 80)[:2]).split()
    assert "Rayleigh" in shown
    assert "pooled" not in shown
