"""What CONTRIBUTING promises of the code's structure is measured on the code."""

from __future__ import annotations

import statistics
from pathlib import Path

import pytest

from tests.project import house

FOUND = house.modules()
FUNCTIONS = [(module.name, node) for module in FOUND.values() for node in module.functions]


@pytest.mark.parametrize("page", house.PAGES)
def test_the_pages_show_the_parts_as_they_are(page: str) -> None:
    assert house.quoted(page) == house.picture(FOUND), "draw it anew: python -m tests.project.house --write"


def test_no_module_imports_itself_the_long_way_round() -> None:
    assert house.circles(FOUND) == []


def test_modules_are_short() -> None:
    long = {name: module.lines for name, module in FOUND.items() if module.lines > 300}
    assert not long, long
    assert statistics.median(module.lines for module in FOUND.values()) <= 150


def test_functions_are_short() -> None:
    lengths = {f"{name}.{node.name}": house.length(node) for name, node in FUNCTIONS}
    assert statistics.median(lengths.values()) <= 6
    assert {name: length for name, length in lengths.items() if length > 40} == {}


def test_public_functions_name_at_most_eight_parameters() -> None:
    wide = {f"{name}.{node.name}": house.parameters(node) for name, node in FUNCTIONS if house.parameters(node) > 8}
    assert wide == {}


#: What several modules have one each of, and mean the same by: a command's own words, a function's keywords, what it
#: was asked for, the marks of a drawing in each back end.
ROLES = {"Asked", "Options", "Request", "Marks"}


def test_a_class_name_means_one_thing() -> None:
    assert set(house.shared_names(FOUND)) <= ROLES


def test_every_part_says_what_it_is() -> None:
    rows = house.picture(FOUND).splitlines()[1:-1]
    assert all(len(row.split(maxsplit=1)) == 2 for row in rows), rows


def test_a_circle_and_a_missing_arrow_are_seen(tmp_path: Path) -> None:
    for name, text in {"a": "def f():\n    from rftools.one import b\n", "b": "import rftools.one.a\n"}.items():
        (tmp_path / "rftools" / "one").mkdir(parents=True, exist_ok=True)
        (tmp_path / "rftools" / "one" / f"{name}.py").write_text(text)
    found = house.modules(tmp_path)
    assert house.circles(found) == [["rftools.one.a", "rftools.one.b"]]
    (tmp_path / "rftools" / "two.py").write_text("from rftools.one.a import f\n")
    assert list(house.parts(house.modules(tmp_path)).edges) == [("two", "one")]
