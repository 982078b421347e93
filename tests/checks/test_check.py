"""The gate: exact lines in every format, exit status, and that it fails closed."""

from __future__ import annotations

import dataclasses
import json
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest

import rftools as rf
from rftools.checks import CHECKS, Limit, evaluate, needs, parse_limit, read_limits
from rftools.cli import main
from rftools.errors import RequestError
from tests import drawn


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    status = 0
    try:
        main(["check", *arguments])
    except SystemExit as stop:
        status = int(stop.code or 0)
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def subject(**parts: object) -> dict[str, object]:
    return parts


NET = "rftools:vgg-dilated"
BROKEN = "min-field: features.block4.conv: 31 px, the limit is at least 64 px"


def test_limits_that_hold(capsys: pytest.CaptureFixture[str]) -> None:
    given = (NET, "--min-field", "31", "--max-holes", "0", "--no-unproductive")
    assert run(capsys, *given) == (0, "all 9 checks hold\n", "")


def test_a_broken_limit_is_one_line_and_status_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, NET, "--min-field", "64") == (1, f"{BROKEN}\n1 broken\n", "")
    status, out, _ = run(capsys, NET, "--min-field", "*.conv=10")
    assert status == 1
    assert [line.split(": ")[1] for line in out.splitlines()[:-1]] == ["features.block1.conv", "features.block2.conv"]


def test_the_formats(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, NET, "--min-field", "64", "--format", "github")[:2] == (
        1,
        f"::error title=rftools check::{BROKEN}\n",
    )
    status, out, _ = run(capsys, NET, "--min-field", "64", "--max-holes", "features.block1.conv=0", "--format", "json")
    content = json.loads(out)
    assert (status, content["ok"], content["schema"]) == (1, False, {"name": "rftools.check", "version": 1})
    assert [(o["check"], o["ok"]) for o in content["outcomes"]] == [("min-field", False), ("max-holes", True)]
    status, out, _ = run(capsys, NET, "--min-field", "64", "--max-holes", "features.block1.conv=0", "--format", "junit")
    suite = ET.fromstring(out.encode())
    assert (status, suite.attrib["tests"], suite.attrib["failures"]) == (1, "2", "1")
    (failure,) = suite.iter("failure")
    assert failure.attrib["message"] == BROKEN


GOLDEN = Path(__file__).parents[1] / "data" / "check"


@pytest.mark.parametrize("form", ["text", "github", "junit", "json"])
def test_the_whole_output_of_each_format(form: str, capsys: pytest.CaptureFixture[str]) -> None:
    limits = ("--min-field", "64", "--max-holes", "features.block[12].conv=0")
    status, out, err = run(capsys, NET, *limits, "--format", form)
    expected = (GOLDEN / f"{form}.txt").read_text(encoding="utf-8").replace("VERSION", rf.__version__)
    assert (status, out, err) == (1, expected, "")


def test_the_projects_own_nets_have_limits_that_bite(capsys: pytest.CaptureFixture[str]) -> None:
    """The limits that the project's own checks use hold, and would not hold for a field one pixel smaller."""
    files = sorted((Path(__file__).parents[2] / ".ci" / "limits").glob("*.toml"))
    assert len(files) >= 5
    for file in files:
        assert run(capsys, f"rftools:{file.stem}", "--file", str(file))[0] == 0
        field = next(limit.value for limit in read_limits(str(file)) if limit.check == "min-field")
        assert run(capsys, f"rftools:{file.stem}", "--min-field", str(field + 1))[0] == 1


def test_a_name_that_is_a_pattern_is_taken_as_a_name() -> None:
    rows = drawn.theoretical("blocks[0]").layers
    whole = subject(theoretical=dataclasses.replace(drawn.theoretical(), layers=rows))
    (outcome,) = evaluate(whole, [Limit("min-field", 3.0, "blocks[0]")])
    assert (outcome.layer, outcome.ok) == ("blocks[0]", True)


def test_a_bound_shows_no_field_large_enough() -> None:
    whole = subject(theoretical=drawn.theoretical(status="bound"))
    (outcome,) = evaluate(whole, [Limit("min-field", 1.0, "conv2")])
    assert not outcome.ok
    assert outcome.line() == (
        "min-field: conv2: cannot be computed (the field is known as an upper bound only), the limit is at least 1 px"
    )


def test_a_file_of_limits(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "limits.toml"
    file.write_text('min-field = 64\n[max-holes]\n"*.conv" = 0\n')
    status, out, _ = run(capsys, NET, "--file", str(file))
    assert (status, out) == (1, f"{BROKEN}\n1 broken\n")
    file.write_text("min-feild = 64\n")
    line = f"rftools: error: {file}: no check 'min-feild'; there are {', '.join(CHECKS)}\n"
    assert run(capsys, NET, "--file", str(file)) == (2, "", line)


def test_against_an_earlier_result(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    base = tmp_path / "base.json"
    main(["trf", NET, "--json", str(base)])
    capsys.readouterr()
    assert run(capsys, NET, "--against", str(base)) == (0, "nothing has changed\n", "")
    content = json.loads(base.read_text())
    content["layers"][0]["axes"][1]["size"] = 5
    content["layers"].append({"name": "gone", "axes": []})
    base.write_text(json.dumps(content))
    assert run(capsys, NET, "--against", str(base))[:2] == (
        1,
        "against: features.block1.conv: size of axis 1 was 5, is 3\nagainst: gone: the layer is gone\n2 broken\n",
    )
    content["schema"]["version"] = 9
    base.write_text(json.dumps(content))
    line = f"rftools: error: {base} holds rftools.trf version 9; --against takes rftools.trf version 1\n"
    assert run(capsys, NET, "--against", str(base)) == (2, "", line)
    base.write_text(base.read_text()[:40])
    line = f"rftools: error: {base} is no whole result of `rftools trf --json` (damaged or cut off at line 1)\n"
    assert run(capsys, NET, "--against", str(base)) == (2, "", line)


def test_wrong_requests(capsys: pytest.CaptureFixture[str]) -> None:
    status, _, line = run(capsys, NET)
    assert (status, line) == (
        2,
        "rftools: error: no limit was given; give one or more, such as --min-field 64 (see rftools check --help)\n",
    )
    status, _, line = run(capsys, NET, "--min-field", "features.block9=3")
    assert status == 2
    assert line.startswith("rftools: error: no layer matches 'features.block9' of --min-field (closest: features.block")
    status, _, line = run(capsys, NET, "--min-field", "wide")
    assert (status, line) == (
        2,
        "rftools: error: --min-field takes a number or LAYERS=NUMBER, such as 64 or layer4.*=64, not 'wide'\n",
    )


def test_an_unknown_field_fails_closed() -> None:
    unknown = drawn.theoretical(status="unknown", cause="no rule", productive=None)
    whole = subject(theoretical=unknown)
    for check in ("min-field", "max-holes", "max-unproductive"):
        found = evaluate(whole, [Limit(check, 0.0, "conv2")])
        assert [outcome.ok for outcome in found] == [False], check
        assert "cannot be computed (unknown field: no rule)" in found[0].line()


@pytest.mark.parametrize(
    "check, holds, breaks",
    [
        ("min-field", 7, 7.5),
        ("max-holes", 1, 0.5),
        ("max-unproductive", 0, -1),
        ("min-effective", 0.33, 0.34),
        ("max-anisotropy", 0.1, 0.0999),
    ],
)
def test_each_check_at_its_border(check: str, holds: float, breaks: float) -> None:
    whole = subject(theoretical=drawn.theoretical(), effective=drawn.effective(), orientation=drawn.orientation())
    layer = "conv1" if check == "max-anisotropy" else None
    assert all(outcome.ok for outcome in evaluate(whole, [Limit(check, holds, layer)]))
    assert not all(outcome.ok for outcome in evaluate(whole, [Limit(check, breaks, layer)]))


def test_the_whole_image_is_larger_than_any_limit() -> None:
    (outcome,) = evaluate(subject(theoretical=drawn.theoretical()), [Limit("min-field", 1e9, "pool")])
    assert outcome.ok


def test_no_effective_field_is_a_broken_limit_not_a_pass() -> None:
    rows = tuple(dataclasses.replace(row, measures={}) for row in drawn.effective().layers)
    blind = dataclasses.replace(drawn.effective(), layers=rows)
    (outcome,) = evaluate(subject(effective=blind), [Limit("min-effective", 0.0)])
    assert not outcome.ok


def test_only_what_is_needed_is_analysed() -> None:
    assert needs([Limit("min-field", 1.0)]) == {"theoretical"}
    assert needs([parse_limit("max-anisotropy", "a=b=0.2")]) == {"orientation"}
    assert parse_limit("max-holes", "a=b=2") == Limit("max-holes", 2.0, "a=b")
    with pytest.raises(RequestError):
        parse_limit("max-holes", "nan")


def test_python_says_what_the_command_says(capsys: pytest.CaptureFixture[str]) -> None:
    limits = ("--min-field", "64", "--max-holes", "features.block1.conv=0", "--no-unproductive")
    status, out, _ = run(capsys, NET, *limits, "--format", "json")
    found = rf.check(rf.load(NET), min_field=64, max_holes={"features.block1.conv": 0}, max_unproductive=0)
    assert (found.ok, status) == (False, 1)
    assert found.to_dict() == json.loads(out)
    assert repr(found).splitlines()[1:] == [BROKEN] == list(found.broken)


def test_effective_fields_are_measured_on_the_images_that_are_given(capsys: pytest.CaptureFixture[str]) -> None:
    words = ("--count", "2", "--seed", "3", "--batch-size", "1", "--device", "cpu")
    assert run(capsys, NET, "--min-effective", "2", "--images", "white", *words)[1] == (
        rf.check(rf.load(NET, seed=3), min_effective=2, images="white", count=2, seed=3, device="cpu").broken[0]
        + "\n1 broken\n"
    )
    status, _, error = run(capsys, NET, "--min-effective", "0.1", "--images", "nowhere", *words)
    assert (status, error.count("\n")) == (2, 1)
    assert "nowhere" in error


def test_python_against_an_earlier_result(tmp_path: Path) -> None:
    model = rf.load(NET)
    base = tmp_path / "base.json"
    content = rf.theoretical(model).to_dict()
    base.write_text(json.dumps(content))
    assert rf.check(model, against=base).ok
    content["layers"][0]["axes"][1]["size"] = 5
    base.write_text(json.dumps(content))
    changed = ("against: features.block1.conv: size of axis 1 was 5, is 3",)
    assert rf.check(model, against=base).broken == changed
    assert not rf.check(model, against=base).ok


@pytest.mark.parametrize(
    ("limits", "line"),
    [
        ({}, "no limit was given; give one or more, such as min_field=64"),
        (
            {"min_feild": 3},
            "check takes no option 'min_feild' (closest: min_field, min_effective); it takes layers, against, ",
        ),
        ({"min_field": "wide"}, "check: min_field is a number or a mapping, not 'wide'"),
        ({"min_field": {"conv": "wide"}}, "min_field takes a number or {'layer4.*': number}, not 'wide'"),
        ({"min_field": {"block9": 3}}, "no layer matches 'block9' of --min-field"),
    ],
)
def test_wrong_limits_in_python(limits: dict[str, Any], line: str) -> None:
    with pytest.raises(RequestError) as caught:
        rf.check(rf.load(NET), **limits)
    assert str(caught.value).startswith(line)


def test_python_names_layers_as_the_command_does(capsys: pytest.CaptureFixture[str]) -> None:
    model = rf.load("rftools:vgg-dilated")
    found = rf.check(model, layers=["features.block[12].conv", "features.block3.conv"], min_field=7, max_holes={"*": 9})
    outcomes = {outcome.layer: outcome.ok for outcome in found.outcomes if outcome.check == "min-field"}
    assert outcomes == {"features.block1.conv": False, "features.block2.conv": True, "features.block3.conv": True}
    assert len([outcome for outcome in found.outcomes if outcome.check == "max-holes"]) == len(rf.theoretical(model))
    with pytest.raises(SystemExit):
        main(["check", "rftools:vgg-dilated", "--layers", "features.block[12].conv", "--min-field", "7"])
    assert capsys.readouterr().out.splitlines()[:-1] == list(found.broken)
    with pytest.raises(rf.RequestError, match="no layer matches 'nothing'"):
        rf.check(model, layers="nothing", min_field=7)
    with pytest.raises(rf.RequestError, match="batch_size is a whole number from 1, not 0"):
        rf.check(model, min_effective=0.1, batch_size=0)
