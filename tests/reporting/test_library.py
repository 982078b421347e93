"""The page's JavaScript library: small, with its licences, of the versions that its lock file says."""

from __future__ import annotations

import json
from pathlib import Path

FOLDER = Path(__file__).parents[2] / "rftools" / "reporting" / "page"
LIBRARY = FOLDER / "library"
MOST = 350_000  # bytes of it in a page
LONGEST = 300  # lines of one of the page's own scripts


def test_it_is_small_and_brings_its_licences() -> None:
    bundle = (LIBRARY / "netmap.min.js").read_text(encoding="utf-8")
    licences = (LIBRARY / "LICENSES.txt").read_text(encoding="utf-8")
    assert len(bundle.encode()) <= MOST
    assert licences.strip() in bundle
    assert "</script" not in bundle.lower()


def test_its_versions_are_those_of_the_lock_file() -> None:
    licences = (LIBRARY / "LICENSES.txt").read_text(encoding="utf-8")
    packages = json.loads((LIBRARY / "package-lock.json").read_text(encoding="utf-8"))["packages"]
    shipped = {path.removeprefix("node_modules/"): entry for path, entry in packages.items() if not entry.get("dev")}
    shipped.pop("")
    assert len(shipped) >= 3
    for name, entry in shipped.items():
        assert f"{name} {entry['version']}" in licences
        assert entry["integrity"].startswith("sha512-")


def test_the_pages_own_scripts_are_short() -> None:
    scripts = sorted((FOLDER / "script").glob("*.js"))
    assert len(scripts) > 10
    assert [path.name for path in scripts if len(path.read_text(encoding="utf-8").splitlines()) > LONGEST] == []
