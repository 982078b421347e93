"""What the code's structure is, read from its syntax: parts, arrows, circles, lengths.

``python -m tests.project.house`` prints the counts; ``--write`` draws the picture of README and CONTRIBUTING anew.
"""

from __future__ import annotations

import argparse
import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import networkx as nx

ROOT = Path(__file__).resolve().parents[2]
PAGES = ("README.md", "CONTRIBUTING.md")
BEGIN, END = "<!-- the parts, drawn by tests/project/house.py -->\n", "\n<!-- end of the parts -->"


@dataclass(frozen=True)
class Module:
    """One file: its dotted name, and what its syntax says."""

    name: str
    path: Path

    @cached_property
    def text(self) -> str:
        return self.path.read_text(encoding="utf-8")

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text)

    @property
    def part(self) -> str:
        """The part of the house: the folder or file below ``rftools``; the package itself is ``rftools``."""
        return self.name.split(".")[1] if "." in self.name else self.name

    @property
    def lines(self) -> int:
        return self.text.count("\n")

    @property
    def functions(self) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
        return (node for node in ast.walk(self.tree) if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)))

    def imports(self, known: Mapping[str, Module]) -> set[str]:
        """The modules that this one imports: inside functions, and for type checks alone, too."""
        return {found for node in ast.walk(self.tree) for found in _imported(node, known)} - {self.name}


def _imported(node: ast.AST, known: Mapping[str, Module]) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names if alias.name in known)
    elif isinstance(node, ast.ImportFrom):
        below = [f"{node.module}.{alias.name}" for alias in node.names]
        yield from (name for name in below if name in known)
        if node.module in known and not all(name in known for name in below):
            yield str(node.module)


def modules(root: Path = ROOT) -> dict[str, Module]:
    """All modules by their installed names; ``cli`` and ``models`` are read where they lie."""
    found = {}
    for folder, package in (("rftools", "rftools"), ("cli", "rftools.cli"), ("models", "rftools.models")):
        for path in sorted((root / folder).rglob("*.py")):
            inside = path.relative_to(root / folder).with_suffix("").parts
            if folder == "rftools" and inside[0] in ("cli", "models"):
                continue  # links to the two folders
            name = ".".join([package, *inside]).removesuffix(".__init__")
            found[name] = Module(name, path)
    return found


def graph(found: Mapping[str, Module]) -> nx.DiGraph:
    """Modules, and an arrow from each to what it imports."""
    return nx.DiGraph((name, other) for name, module in found.items() for other in sorted(module.imports(found)))


def circles(found: Mapping[str, Module]) -> list[list[str]]:
    """Groups of modules that import each other, whichever way round; a package's own interface is not counted."""
    inner = graph(found).subgraph(name for name, module in found.items() if module.path.name != "__init__.py")
    return [sorted(group) for group in nx.strongly_connected_components(inner) if len(group) > 1]


def parts(found: Mapping[str, Module]) -> nx.DiGraph:
    """The parts of the house, and an arrow where a module of one imports a module of the other."""
    drawn = nx.DiGraph()
    for module in found.values():
        for below in (found[other].part for other in module.imports(found)):
            if below != module.part and "rftools" not in (module.part, below):
                drawn.add_edge(module.part, below)
    return drawn


def picture(found: Mapping[str, Module]) -> str:
    """The parts from top to bottom, what each is in its own words, and which others it imports."""
    drawn = parts(found)
    order = [part for group in nx.topological_generations(drawn) for part in sorted(group)]
    folders = {
        part: f"rftools.{part}" in found and found[f"rftools.{part}"].path.name == "__init__.py" for part in order
    }
    rows = ["```text"]
    for part in order:
        label = part + ("/" if folders[part] else "")
        about = (ast.get_docstring(found[f"rftools.{part}"].tree) or "").split("\n")[0]
        below = [other for other in order if drawn.has_edge(part, other)]
        rows.append(f"{label:<11} {about}")
        if below:
            rows.append(f"{'':<11} └─► {' '.join(below)}")
    return "\n".join([*rows, "```"])


def quoted(page: str) -> str:
    """The picture as a page has it."""
    text = (ROOT / page).read_text(encoding="utf-8")
    return text.partition(BEGIN)[2].partition(END)[0]


def redraw() -> None:
    """Put the picture into the pages."""
    now = picture(modules())
    for page in PAGES:
        path = ROOT / page
        text = path.read_text(encoding="utf-8")
        pattern = re.compile(re.escape(BEGIN) + ".*?" + re.escape(END), re.S)
        path.write_text(pattern.sub(lambda _: BEGIN + now + END, text), encoding="utf-8")


def parameters(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """How many parameters a function names, ``self`` and what ``*`` and ``**`` take aside."""
    named = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
    return len([argument for argument in named if argument.arg not in ("self", "cls")])


def length(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines of a function without its signature and its docstring."""
    body = node.body
    if isinstance(body[0], ast.Expr) and isinstance(body[0].value, ast.Constant) and len(body) > 1:
        body = body[1:]
    return int(body[-1].end_lineno or 0) - body[0].lineno + 1


def shared_names(found: Mapping[str, Module]) -> dict[str, list[str]]:
    """The names of classes that several parts have, with the modules: a word that means two things, or may come to."""
    where: dict[str, list[Module]] = {}
    for module in found.values():
        for node in module.tree.body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                where.setdefault(node.name, []).append(module)
    return {name: [m.name for m in held] for name, held in sorted(where.items()) if len(held) > 1}


def counts(root: Path = ROOT) -> dict[str, object]:
    """The figures by which one state of the code is held against another."""
    found = modules(root)
    every = [(module.name, node) for module in found.values() for node in module.functions]
    long = sorted(((module.lines, name) for name, module in found.items()), reverse=True)
    widest = max(every, key=lambda pair: parameters(pair[1]))
    deepest = max(every, key=lambda pair: length(pair[1]))
    return {
        "modules": len(found),
        "lines": sum(module.lines for module in found.values()),
        "modules over 300 lines": sum(lines > 300 for lines, _ in long),
        "longest module": long[0],
        "functions": len(every),
        "longest function": (length(deepest[1]), f"{deepest[0]}.{deepest[1].name}"),
        "longest signature": (parameters(widest[1]), f"{widest[0]}.{widest[1].name}"),
        "import circles": circles(found),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="draw the picture in README and CONTRIBUTING anew")
    parser.add_argument("root", nargs="?", type=Path, default=ROOT, help="another checkout to count")
    arguments = parser.parse_args()
    if arguments.write:
        redraw()
    for name, value in counts(arguments.root).items():
        print(f"{name}: {value}")


if __name__ == "__main__":
    main()
