"""The part of plotly.js that interactive files hold: small, with its licences, of the versions of its lock file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rftools.plots import plot
from tests.plots.test_plots import ALL, RESULTS

LIBRARY = Path(__file__).parents[2] / "rftools" / "plots" / "library"
MOST = 1_400_000  # bytes of it in a file


def test_it_is_small_and_brings_its_licences() -> None:
    bundle = (LIBRARY / "plotly.min.js").read_text(encoding="utf-8")
    licences = (LIBRARY / "LICENSES.txt").read_text(encoding="utf-8")
    assert len(bundle.encode()) <= MOST
    assert licences.strip() in bundle
    assert "</script" not in bundle.lower()


def test_its_versions_are_those_of_the_lock_file() -> None:
    licences = (LIBRARY / "LICENSES.txt").read_text(encoding="utf-8")
    packages = json.loads((LIBRARY / "package-lock.json").read_text(encoding="utf-8"))["packages"]
    locked: dict[str, list[dict[str, str]]] = {}  # some stand there in several versions
    for path, entry in packages.items():
        if path:
            locked.setdefault(path.rpartition("node_modules/")[2], []).append(entry)
    told = [line for line in licences.splitlines() if line.count(" ") < 8 and _names(line, locked)]
    named = {part.rpartition(" ")[0]: part.rpartition(" ")[2] for line in told for part in line.split(", ")}
    assert {"plotly.js", "@plotly/d3", "buffer"} <= set(named)
    assert [name for name, own in named.items() if own not in [entry["version"] for entry in locked[name]]] == []
    assert all(entry["integrity"].startswith("sha512-") for name in named for entry in locked[name])


def _names(line: str, locked: dict[str, list[dict[str, str]]]) -> bool:
    return all(part.rpartition(" ")[0] in locked for part in line.split(", "))


@pytest.mark.parametrize(("schema", "kind"), ALL)
def test_every_trace_is_one_that_it_draws(schema: str, kind: str) -> None:
    source = (LIBRARY / "source.js").read_text(encoding="utf-8")
    for trace in plot(RESULTS[schema](), kind, backend="plotly").data:
        assert trace.type == "scatter" or f'require("plotly.js/lib/{trace.type}")' in source
