"""The door: whatever a library raises is one line; the table of limits; JSON and TOML."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rftools.checks.limits import read_limits
from rftools.errors import RequestError
from rftools.reading import LIMITS, check, door, limits, read_json, regular


class Panic(BaseException):
    """As Rust's panics reach Python: no `Exception`."""


class Mute(Exception):
    def __str__(self) -> str:
        raise RuntimeError


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (ValueError("too short\nand more"), "a.pt is damaged: too short"),
        (KeyError("x"), "a.pt is damaged: KeyError: 'x'"),
        (AssertionError(), "a.pt is damaged: AssertionError"),
        (Panic("attempt to add with overflow"), "a.pt is damaged: attempt to add with overflow"),
        (Mute(), "a.pt is damaged: Mute"),
        (MemoryError(), "a.pt asks for more memory than there is"),
        (RecursionError(), "a.pt is damaged: it is nested too deeply"),
        (FileNotFoundError(2, "x"), "no such file: a.pt"),
        (PermissionError(13, "Permission denied"), "cannot read a.pt: permission denied"),
        (OSError("cannot identify"), "a.pt is damaged: cannot identify"),
        (RequestError("our own"), "our own"),
    ],
)
def test_every_exception_is_one_line(error: BaseException, line: str) -> None:
    with pytest.raises(RequestError) as caught, door("a.pt", "is damaged"):
        raise error
    assert str(caught.value) == line


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, GeneratorExit])
def test_an_interruption_goes_through(error: type[BaseException]) -> None:
    with pytest.raises(error), door("a.pt", "is damaged"):
        raise error


def test_every_limit_has_its_reason_and_can_be_lifted() -> None:
    for name, limit in LIMITS.items():
        assert limit.why
        with pytest.raises(RequestError, match=rf"at most {limit.most} are read \(.*\); --limit {name}=N"):
            check(name, limit.most + 1, "a.pt")
        with limits(**{name: limit.most + 1}):
            check(name, limit.most + 1, "a.pt")
    with pytest.raises(RequestError, match=r"about 2\^20000 numbers"):
        check("input", 1 << 20_000, "a.pt")


@pytest.mark.parametrize("wrong", [{"inputs": 3}, {"input": 0}, {"input": True}, {"input": 1.5}])
def test_a_limit_that_is_none_is_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(RequestError, match="limit"), limits(**wrong):
        pass


@pytest.mark.parametrize("name", ["a" * 5000, "a\0b", "a/b/c"])
def test_a_name_that_no_file_can_have(name: str) -> None:
    with pytest.raises(RequestError, match=r"cannot read|no such file"):
        regular(name)


JSONS = (b"", b"{", b"\xff\xfe", b"[" * 100_000, b"1" * 5000, b'{"a": ' * 5000)


@pytest.mark.parametrize("text", JSONS, ids=range(len(JSONS)))
def test_damaged_json_is_one_line(tmp_path: Path, text: bytes) -> None:
    (tmp_path / "a.json").write_bytes(text)
    with pytest.raises(RequestError, match=r"a\.json is no whole JSON file"):
        read_json(tmp_path / "a.json")


def test_a_mark_at_the_beginning_is_no_damage(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(json.dumps({"a": 1}), encoding="utf-8-sig")
    assert read_json(tmp_path / "a.json") == {"a": 1}


TOMLS = {
    "not = [": "is no TOML file that can be read",
    "a" * 5000: "is no TOML file",
    "min-field = " + "[" * 5000: "is no TOML file",
    "min-field = " + "1" * 5000: "is no TOML file",
    "min-field = 0x" + "f" * 5000 + "\nmax-holes = 'a'": "max-holes takes a number",
    "min-field = nan": "min-field takes a number",
    "min-field = true": "min-field takes a number",
    "min-field = 2020-01-01": "min-field takes a number",
    "min-field = [1, 2]": "min-field takes a number",
    'min-field = {"layer" = "x=3"}': "min-field takes a number",
    'min-field = {"layer" = {"a" = 0x' + "f" * 5000 + "}}": "min-field takes a number",
    "min-feild = 3": r"no check 'min-feild'",
}


@pytest.mark.parametrize("text", TOMLS, ids=range(len(TOMLS)))
def test_damaged_limits_are_one_line(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.toml").write_text(text)
    with pytest.raises(RequestError, match=TOMLS[text]):
        read_limits(tmp_path / "a.toml")
    (tmp_path / "a.toml").write_bytes(b"min-field = 3\n# \xff")
    with pytest.raises(RequestError, match="is no TOML file"):
        read_limits(tmp_path / "a.toml")


def test_the_table_in_the_docs_is_the_programs() -> None:
    page = (Path(__file__).resolve().parents[2] / "docs" / "errors.md").read_text(encoding="utf-8")
    for name, limit in LIMITS.items():
        assert f"| `{name}` | {limit.most:,} {limit.unit} | {limit.why} |\n" in page
