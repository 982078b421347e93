"""A new finding and a new section are one file each, and nothing else: both stand on a page."""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from torch import nn

import rftools as rf
from rftools.errors import RequestError

FINDING = """
from rftools.reporting.findings import Finding, finding


@finding("toy finding", "sparsity", "Whether there are layers at all.")
def toy(subject, limits):
    yield Finding("toy finding", "notice", f"{len(subject.sparsity)} layers are here.", "2", "0", "sparsity", ("0",))
"""
SECTION = """
from rftools.reporting.drawing.figures import drawn
from rftools.reporting.sections import Quantity, Section, Value, register
from rftools.weights import sparsity


def figures(subject):
    return drawn(subject.part("toy"), "toy", "layers")


SECTION = register(
    Section(
        "toy",
        figures,
        lambda model, known: sparsity(model),
        needs=("sparsity",),
        quantities=(Quantity("toy", "toy-weights", "Weights of a layer", None, lambda row: Value(float(row.weights))),),
        words={"heading": "A toy", "lead": "What the toy leads with."},
    )
)
"""


def net(outputs: int = 2) -> nn.Module:
    return nn.Sequential(nn.Conv2d(1, 2, 3, padding=1), nn.ReLU(), nn.Conv2d(2, outputs, 3, padding=1))


@pytest.fixture
def added(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Both files, each put into a folder that its package looks into; afterwards all is as it was."""
    kept = []
    for package, registry, text, find in (
        ("rftools.reporting.findings", "RULES", FINDING, "families"),
        ("rftools.reporting.sections", "SECTIONS", SECTION, "load"),
    ):
        module = importlib.import_module(package)
        known = getattr(module, registry)
        kept.append((known, list(known)))
        monkeypatch.setattr(module, "__path__", [*module.__path__, str(tmp_path / package)])
        (tmp_path / package).mkdir()
        (tmp_path / package / "toy.py").write_text(text)
        assert getattr(module, find)()[-1] == "toy"
        assert len(known) == len(kept[-1][1]) + 1
    yield
    for known, before in kept:
        known[:] = before
        sys.modules.pop("rftools.reporting.findings.toy", None)
        sys.modules.pop("rftools.reporting.sections.toy", None)


@pytest.mark.usefixtures("added")
def test_both_are_on_a_page(tmp_path: Path) -> None:
    page = rf.report(net(), tmp_path / "r.html", input_size=(1, 8, 8), effective=False).read_text()
    assert "2 layers are here." in page
    assert "Whether there are layers at all." in page  # among the rules, under "Method"
    assert re.search(r'<section id="toy".*?<h2[^>]*>A toy</h2>.*?What the toy leads with\.', page, re.DOTALL)
    assert 'id="toy-table"' in page
    assert page.index('id="training"') < page.index('<section id="toy"')


@pytest.mark.usefixtures("added")
def test_the_section_is_compared_too(tmp_path: Path) -> None:
    page = rf.report([net(), net(3)], tmp_path / "r.html", input_size=(1, 8, 8), effective=False).read_text()
    assert "Weights of a layer; layers are aligned by name." in page


def test_a_name_is_given_once() -> None:
    from rftools.reporting.findings import finding
    from rftools.reporting.sections import SECTIONS, register

    with pytest.raises(RequestError, match="there is a finding 'clipped' already"):
        finding("clipped", "theoretical")(lambda subject, limits: iter(()))
    with pytest.raises(RequestError, match="there is a section of 'sparsity' already"):
        register(next(section for section in SECTIONS if section.part == "sparsity"))
