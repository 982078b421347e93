"""The experiment on pruning and orientation: its committed tables, and that its page quotes what the script prints."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "experiments" / "pruning_orientation.md"
LAYERS = {"vgg-cascade": 10, "vgg-large": 4}
# kernels x taps of vgg-large's four convolutions
LARGE = [(3 * 16, 9), (16 * 24, 25), (24 * 32, 49), (32 * 48, 81)]


@pytest.fixture(scope="module")
def script() -> ModuleType:
    path = ROOT / "gallery" / "pruning_orientation.py"
    spec = importlib.util.spec_from_file_location("pruning_orientation", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    import sys

    sys.modules[spec.name] = module  # its dataclass looks its module up
    try:
        spec.loader.exec_module(module)
    finally:
        del sys.modules[spec.name]
    return module


@pytest.fixture(scope="module")
def tables(script: ModuleType) -> tuple[list[dict[str, str]], list[dict[str, str]]]:
    folder = ROOT / "docs" / "gallery"
    return script.read(folder / "pruning_orientation.csv"), script.read(folder / "pruning_orientation_layers.csv")


def test_the_tables_are_whole(script: ModuleType, tables: tuple[list[dict[str, str]], list[dict[str, str]]]) -> None:
    nets, layers = tables
    wanted = {
        (net, str(seed), target, balanced)
        for net in LAYERS
        for seed in script.FULL.seeds
        for target in ("whole", *script.TARGETS)
        for balanced in (("as it comes",) if target == "whole" else ("as it comes", "balanced"))
    }
    keys = [(row["net"], row["seed"], row["target"], row["balanced"]) for row in nets]
    assert len(script.FULL.seeds) >= 3
    assert len(keys) == len(wanted)
    assert set(keys) == wanted
    for key in keys:
        own = [row for row in layers if (row["net"], row["seed"], row["target"], row["balanced"]) == key]
        assert len(own) == LAYERS[key[0]]
    for row in layers:
        assert 0 <= float(row["pooled_anisotropy"]) <= 1
        assert row["p_lattice"] == "" or 0 < float(row["p_lattice"]) <= float(row["q"]) <= 1


def test_sparsities_are_those_asked_for(tables: tuple[list[dict[str, str]], list[dict[str, str]]]) -> None:
    weights = sum(kernels * taps for kernels, taps in LARGE)
    for row in tables[0]:
        amount, unit = row["target"].split() if row["target"] != "whole" else ("0", "%")
        share = int(amount) / 100
        if unit == "taps":
            left = sum(kernels for kernels, _ in LARGE) * int(amount)
            share = 1 - (int(amount) / 9 if row["net"] == "vgg-cascade" else left / weights)
        assert float(row["sparsity"]) == pytest.approx(share, abs=2e-4)


def test_two_taps_are_lines_and_balance_balances(
    script: ModuleType, tables: tuple[list[dict[str, str]], list[dict[str, str]]]
) -> None:
    _, layers = tables
    assert {row["lines"] for row in layers if row["target"] == "2 taps"} == {"1"}
    for target in script.TARGETS:
        plain, balanced = (
            script.values(layers, "filter_anisotropy", target=target, balanced=how)
            for how in ("as it comes", "balanced")
        )
        assert all(after <= before + 1e-9 for before, after in zip(plain, balanced, strict=True))


def test_the_page_has_what_the_script_prints(
    script: ModuleType, tables: tuple[list[dict[str, str]], list[dict[str, str]]]
) -> None:
    printed = script.summary(*tables)
    text = PAGE.read_text(encoding="utf-8")
    assert f"```text\n{printed}\n```" in text
    prose = text.partition("<!-- answer -->")[2].partition("<!-- /answer -->")[0]
    figures = re.findall(r"(?<![\w.])\d+(?:\.\d+)?(?: %)?(?![\w.]\d)", prose)
    assert len(figures) >= 8
    known = set(re.findall(r"\d+(?:\.\d+)?", printed)) | {str(n) for n in range(11)}
    for figure in figures:
        assert figure.removesuffix(" %") in known, figure
