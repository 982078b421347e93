"""What `mkdocs build --strict` would say of docstrings, without building the documentation."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from pathlib import Path

import griffe
import pytest

ROOT = Path(__file__).resolve().parents[2]
TWISTED = '''
def f(size, **options):
    """Claim.

    Args:
        size: known.
        colour: not among the parameters.
    """
'''


def parsed(found: griffe.Object) -> Iterator[str]:
    """Parse every docstring of an object and of what it holds; the paths of those that have one."""
    for member in found.members.values():
        if member.is_alias:
            continue
        assert isinstance(member, griffe.Object)
        if member.docstring is not None:
            _ = member.docstring.parsed
            yield member.path
        yield from parsed(member)


@pytest.fixture(scope="module")
def package() -> griffe.Object:
    extensions = griffe.load_extensions(str(ROOT / "docs" / "doctests.py"))
    found = griffe.load("rftools", search_paths=[ROOT], docstring_parser="google", extensions=extensions)
    assert isinstance(found, griffe.Object)
    return found


def test_docstrings_name_the_parameters_that_there_are(
    package: griffe.Object, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        assert len(list(parsed(package))) > 1000
    assert caplog.messages == []


def test_a_wrong_name_would_be_seen(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "twisted.py").write_text(TWISTED)
    found = griffe.load("twisted", search_paths=[tmp_path], docstring_parser="google")
    with caplog.at_level(logging.WARNING):
        assert list(parsed(found)) == ["twisted.f"]  # type: ignore[arg-type]
    assert any("'colour' does not appear" in line for line in caplog.messages)


def test_what_the_reference_shows_is_there(package: griffe.Object) -> None:
    named = re.findall(r"^::: rftools\.(\S+)$", (ROOT / "docs" / "reference.md").read_text(encoding="utf-8"), re.M)
    assert len(named) > 20
    for path in named:
        assert package[path].path, path
