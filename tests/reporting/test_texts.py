"""Every word that a report shows stands in one module: none is left in the code, the template or the script."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from rftools.reporting.drawing.netmap import FIGURES
from rftools.reporting.findings import RULES
from rftools.reporting.texts import TEXTS

FOLDER = Path(__file__).parents[2] / "rftools" / "reporting"
#: modules that speak to the page's readers; what the gate, readers of files and notebooks say goes elsewhere
NOT_SHOWN = {".depth-chart circle", ".figures figure", "tbody tr", "Enter"}  # what the script itself needs
SPEAKING = [
    path
    for path in sorted(FOLDER.rglob("*.py"))
    if path.stem not in ("texts", "gate", "pdf", "typed", "saved", "notebook", "explore")
]
#: a style sheet's font, the names of the rules, which are keys of their texts, and a refusal of saved files
ALLOWED = {"'DejaVu Sans'[^;]*", *TEXTS["rules"], "can't be drawn: values in it contradict each other"}
WORDS = re.compile(r"[A-Za-z]{2,}[,.:;]? +[A-Za-z(]{2,}|^[A-Z][a-z]+$")


def shown(path: Path) -> list[str]:
    """The literals of a module that read like words: not docstrings, errors, or keys of one word."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    skipped: set[ast.AST] = set()
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list):
            skipped |= {item.value for item in body if isinstance(item, ast.Expr)}
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "__all__":  # exported names
            skipped |= set(ast.walk(node.value))
        if isinstance(node, ast.Raise):
            skipped |= set(ast.walk(node))
        if isinstance(node, ast.Subscript):  # annotations and keys
            skipped |= set(ast.walk(node.slice))
        if isinstance(node, (ast.AnnAssign, ast.arg)) and node.annotation is not None:
            skipped |= set(ast.walk(node.annotation))
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.returns is not None:
            skipped |= set(ast.walk(node.returns))
    found = [node for node in ast.walk(tree) if isinstance(node, ast.Constant) and node not in skipped]
    return [node.value for node in found if isinstance(node.value, str) and WORDS.search(node.value)]


@pytest.mark.parametrize("path", SPEAKING, ids=lambda path: path.stem)
def test_no_words_are_left_in_the_code(path: Path) -> None:
    assert [text for text in shown(path) if text not in ALLOWED] == []


def test_no_words_are_left_in_the_template() -> None:
    text = (FOLDER / "page" / "templates" / "report.html.j2").read_text(encoding="utf-8")
    text = re.sub(r"{%.*?%}|{{.*?}}|<!doctype html>", " ", text, flags=re.DOTALL)
    labels = re.findall(r'(?:aria-label|title|placeholder|alt)="([^"]*)"', text)
    between = re.sub(r"<[^>]*>", " ", text)
    assert re.findall(r"[A-Za-z]+", " ".join([between, *labels])) == []


def test_no_words_are_left_in_the_script() -> None:
    scripts = (FOLDER / "page" / "script").glob("*.js")
    text = "\n".join(path.read_text(encoding="utf-8") for path in sorted(scripts))
    text = re.sub(r"\$\{[^}]*\}|^\s*//.*$", "", text, flags=re.MULTILINE)
    literals = [double or single for double, single in re.findall(r'"([^"\n]*)"|`([^`]*)`', text)]
    assert [literal for literal in literals if WORDS.search(literal) and literal not in NOT_SHOWN] == []
    asked = set(re.findall(r'say\("(\w+\b)"[,)]', text)) | {"opens", "closes"}
    asked |= {"theme_system", "theme_light", "theme_dark"} | {f"value_{key}" for key in FIGURES}
    assert asked == set(TEXTS["script"])


def test_every_text_is_used_and_every_rule_has_one() -> None:
    assert set(TEXTS["rules"]) == {rule.name for rule in RULES}
    code = "\n".join(path.read_text(encoding="utf-8") for path in FOLDER.rglob("*.py"))
    template = (FOLDER / "page" / "templates" / "report.html.j2").read_text(encoding="utf-8")
    for key in TEXTS["page"]:
        assert f"words.{key}" in template or f'"page.{key}"' in code or f"page.{key}'" in code, key
    for table in ("findings", "summary", "method", "graph", "missing"):
        unused = [key for key in TEXTS[table] if f"{table}.{key}" not in code]
        assert set(unused) <= {"unknown", "bound", "rows"}, (table, unused)


def test_the_words_of_the_page_are_those_of_the_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Each word changed in the file, none of the old ones is left on the page."""
    import rftools as rf
    from tests import drawn

    for table in ("page", "sections", "leads", "summary", "method"):
        monkeypatch.setitem(TEXTS, table, {key: _veiled(text) for key, text in TEXTS[table].items()})
    rf.report([drawn.theoretical(), drawn.sparsity()], tmp_path / "r.html")
    page = (tmp_path / "r.html").read_text(encoding="utf-8")
    body = re.sub(r"<(script|style|svg|figure).*?</\1>", "", page[page.index("<body>") :], flags=re.DOTALL)
    for words in ("Findings", "Copy as CSV", "Sparsity", "What pruning left", "Largest local field", "Versions"):
        assert words not in body


def _veiled(text: str) -> str:
    return re.sub(r"({[^}]*})|[A-Za-z]", lambda found: found[1] or "x", text)
