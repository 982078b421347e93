"""The documentation's commands and code: all of them parse, every command has an example, and each page runs."""

from __future__ import annotations

import ast
import contextlib
import importlib.util
import io
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import pytest

from rftools.cli import COMMANDS, group, main
from rftools.loading import load

ROOT = Path(__file__).resolve().parents[2]
FENCE = re.compile(r"^```(\w+)[^\n]*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PAGES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")])
Runner = Callable[[list[str]], tuple[int, str]]
RUN = ("bash", "python")  # `sh` holds commands that need a network, a checkout or data of one's own


@dataclass(frozen=True)
class Block:
    """A fenced block of a page."""

    language: str
    text: str

    @property
    def commands(self) -> list[list[str]]:
        """The lines that call rftools, as words."""
        lines = self.text.replace("\\\n", " ").splitlines() if self.language in {"bash", "sh"} else []
        return [shlex.split(line, comments=True) for line in lines if line.startswith("rftools ")]


def blocks(page: Path) -> list[Block]:
    return [Block(language, text) for language, text in FENCE.findall(page.read_text(encoding="utf-8"))]


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def parse(words: list[str]) -> str:
    """Let click parse a command without running it; its name."""
    assert words[0] == "rftools"
    parent = click.Context(group, info_name="rftools")
    if words[1].startswith("-"):
        assert words[1] in {"--help", "--version"}
        return words[1]
    command = group.get_command(parent, words[1])
    assert command is not None, words
    command.make_context(words[1], words[2:], parent=parent)
    return words[1]


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_documented_commands_parse(page: Path) -> None:
    for block in blocks(page):
        for words in block.commands:
            parse(words)


def test_a_wrong_option_in_a_page_would_be_seen() -> None:
    (words,) = Block("bash", "rftools trf rftools:vgg-dilated --jsn -\n").commands
    with pytest.raises(click.UsageError, match="--jsn"):
        parse(words)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_a_documented_example_and_its_help(name: str) -> None:
    page = ROOT / "docs" / "commands.md"
    section = page.read_text(encoding="utf-8").partition(f"\n## rftools {name}\n")[2].partition("\n## ")[0]
    assert f"<!-- help: {name} -->" in section
    examples = [words for language, text in FENCE.findall(section) for words in Block(language, text).commands]
    assert {words[1] for words in examples} == {name}
    assert all(language in RUN for language, _ in FENCE.findall(section))


@pytest.mark.parametrize("name", COMMANDS)
def test_the_example_in_a_commands_help_parses(name: str) -> None:
    command = group.get_command(click.Context(group), name)
    assert command is not None
    text = command.get_help(click.Context(command, info_name=f"rftools {name}"))
    lines = [line.strip() for line in text.partition("Example:")[2].splitlines()]
    examples = [line for line in lines if line.startswith("rftools ")]
    assert examples
    assert {parse(shlex.split(line)) for line in examples} == {name}


def test_every_page_is_in_the_navigation_and_every_picture_is_there() -> None:
    navigation = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    for page in (ROOT / "docs").rglob("*.md"):
        assert page.relative_to(ROOT / "docs").as_posix() in navigation
    for page in PAGES:
        for target in re.findall(r"!\[[^\]]+\]\(([^)]+)\)", page.read_text(encoding="utf-8")):
            picture = page.parent / target
            assert picture.is_file(), f"{name_of(page)} shows {target}"
            assert picture.stat().st_size <= 300_000


def test_help_marks_become_help_texts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(ROOT / "docs")
    import hooks

    shown = hooks.on_page_markdown("before\n\n<!-- help: models -->\n\nafter\n")
    assert "Usage: rftools models [OPTIONS]" in shown
    assert shown.startswith("before\n\n```text\n")
    from rftools.reporting import RULES

    table = hooks.on_page_markdown("<!-- rules -->").splitlines()
    assert [line.split(" | ")[0] for line in table[2:]] == [f"| {rule.name}" for rule in RULES]
    with pytest.raises(ValueError, match="no command 'nothing'"):
        hooks.on_page_markdown("<!-- help: nothing -->")


def in_a_process(words: list[str]) -> tuple[int, str]:
    """Status and standard error of a command that is run as users run it."""
    done = subprocess.run(words, capture_output=True, text=True, timeout=1500)
    return done.returncode, done.stderr


def in_this_process(words: list[str]) -> tuple[int, str]:
    """The same without a start of Python and torch each time, which is most of the time of a page of short commands."""
    status, said = 0, io.StringIO()
    with (
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.redirect_stderr(said),
        warnings.catch_warnings(record=True) as warned,
    ):
        warnings.simplefilter("default")
        for hidden in (DeprecationWarning, PendingDeprecationWarning, ImportWarning, ResourceWarning):
            warnings.simplefilter("ignore", hidden)  # as Python does, which shows these to developers only
        try:
            main(words[1:])
        except SystemExit as stop:
            status = int(stop.code or 0)
    said.write("".join(f"{one.category.__name__}: {one.message}\n" for one in warned))
    return status, said.getvalue()


def test_a_command_in_this_process_says_what_one_of_its_own_would(monkeypatch: pytest.MonkeyPatch) -> None:
    assert in_this_process(["rftools", "--version"]) == in_a_process([sys.executable, "-m", "rftools", "--version"])
    status, said = in_this_process(["rftools", "sparsty"])
    assert (status, said) == in_a_process([sys.executable, "-m", "rftools", "sparsty"])
    assert status == 2

    def noisy(words: list[str]) -> None:
        warnings.warn("for developers", DeprecationWarning, stacklevel=1)
        warnings.warn("for users", UserWarning, stacklevel=1)
        print("answer")

    monkeypatch.setattr(sys.modules[__name__], "main", noisy)
    assert in_this_process(["rftools", "--version"]) == (0, "UserWarning: for users\n")


def run_page(page: Path, folder: Path, monkeypatch: pytest.MonkeyPatch, run: Runner = in_a_process) -> None:
    """Run a page's blocks in order: commands, and Python in one namespace."""
    monkeypatch.chdir(folder)
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    namespace: dict[str, object] = {"__name__": "page"}
    for block in blocks(page):
        if block.language == "python":
            exec(compile(block.text, name_of(page), "exec"), namespace)
        elif block.language in RUN:
            for words in block.commands:
                status, said = run(words)
                assert status == 0, f"{shlex.join(words)}\n{said}"
                assert "Warning" not in said, f"{shlex.join(words)}\n{said}"


@pytest.fixture(scope="module")
def after_tutorial(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the tutorial leaves, which the other pages go on from."""
    folder = tmp_path_factory.mktemp("tutorial")
    with pytest.MonkeyPatch.context() as patch:
        run_page(ROOT / "docs" / "tutorial.md", folder, patch)
    return folder


@pytest.mark.slow
def test_the_tutorial_runs(after_tutorial: Path) -> None:
    made = {path.name for path in after_tutorial.iterdir()}
    assert made >= {"growth.png", "growth.svg", "effective.png", "maps.npz", "sparsity.png", "polar.png", "report.html"}


def test_contributing_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run_page(ROOT / "CONTRIBUTING.md", tmp_path, monkeypatch)  # it holds no commands, and needs no tutorial's files


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_what_pages_import_is_there(page: Path) -> None:
    for block in blocks(page):
        if block.language == "python":
            for node in ast.walk(ast.parse(block.text)):
                if isinstance(node, ast.ImportFrom) and str(node.module).startswith("rftools"):
                    exec(ast.unparse(node), {})


@pytest.mark.slow
@pytest.mark.parametrize(
    "page", [page for page in PAGES if page.name not in ("tutorial.md", "CONTRIBUTING.md")], ids=name_of
)
def test_pages_run(page: Path, after_tutorial: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "work"
    shutil.copytree(after_tutorial, folder)
    monkeypatch.setattr(sys, "path", [*sys.path])  # commands add the working directory
    run_page(page, folder, monkeypatch, in_a_process if page.name in ("README.md", "commands.md") else in_this_process)


def gallery() -> Any:
    """The script that writes the gallery's page."""
    spec = importlib.util.spec_from_file_location("make_gallery", ROOT / "docs" / "make_gallery.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_gallery_page_is_what_its_scripts_say() -> None:
    made = gallery()
    times = json.loads(made.TIMES.read_text(encoding="utf-8"))
    assert made.PAGE.read_text(encoding="utf-8") == made.page(times)
    scripts = made.scripts()
    assert len(scripts) >= 12
    for script in scripts:
        question, body = made.words(script)
        assert question.endswith("?"), script.name
        assert len(body.split()) > 10, script.name
        assert (made.PICTURES / f"{script.stem}.png").stat().st_size < 400_000
        assert (made.PICTURES / "thumbs" / f"{script.stem}.webp").exists()


class Harmful:
    """Pickles to a call that would leave a file behind."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, ("touch canary",)


@pytest.fixture
def bad_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The files that docs/errors.md speaks of, in the working directory."""
    import torch

    import rftools as rf
    from rftools.models import build

    monkeypatch.chdir(tmp_path)
    state = build("vgg-dilated").state_dict()
    torch.save(state, "plain.pt")
    state["features.block2.conv.weight"][0, 0] = float("nan")
    torch.save(state, "nan.pt")
    torch.save({"weight": Harmful()}, "code.pt")
    Path("cut.pt").write_bytes(Path("plain.pt").read_bytes()[:3000])
    Path("empty.pt").write_bytes(b"")
    Path("text.pt").write_text("hello\n")
    for net in ("vgg-dilated", "vgg-strided"):
        rf.sparsity(rf.load(f"rftools:{net}")).to_json(f"{net}.json")
    written = Path("vgg-dilated.json").read_text()
    Path("cut.json").write_text(written[:300])
    Path("old.json").write_text(written.replace('"version": 1', '"version": 0', 1))
    return tmp_path


def test_the_lines_of_the_errors_page_are_the_programs(bad_files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = (ROOT / "docs" / "errors.md").read_text(encoding="utf-8")
    pairs = re.findall(r"^\$ rftools (.*)\n(rftools: error: .*)$", page, re.MULTILINE)
    assert len(pairs) >= 18
    for command, line in pairs:
        with pytest.raises(SystemExit) as stop:
            main(shlex.split(command))
        captured = capsys.readouterr()
        pattern = re.escape(line).replace(re.escape("are ..."), "are .*") + "\n"
        assert (stop.value.code, captured.out) == (2, ""), command
        assert re.fullmatch(pattern, captured.err), captured.err
    assert not (bad_files / "canary").exists()
    assert load("plain.pt", model="rftools:vgg-dilated").parameters > 0  # what was read is as it was


def test_the_gallery_leaves_pictures_alone_that_look_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import numpy as np
    from PIL import Image

    made = gallery()
    monkeypatch.setattr(made, "PICTURES", tmp_path / "kept")
    (tmp_path / "kept").mkdir()
    script = tmp_path / "one.py"

    def drawing(level: int) -> None:
        script.write_text(
            "import sys\nfrom PIL import Image\n"
            f"picture = Image.new('RGB', (40, 40))\npicture.paste(({level}, 0, 0), (5, 5, 20, 20))\n"
            "picture.save(sys.argv[1] + '/one.png')\n"
        )

    def kept() -> int:
        return int(np.asarray(Image.open(tmp_path / "kept" / "one.png"))[10, 10, 0])

    drawing(200)
    assert made.run(script, renew=False) is not None  # there was none
    drawing(201)
    assert made.run(script, renew=False) is None
    assert kept() == 200
    assert made.run(script, renew=True) is not None
    assert kept() == 201
    drawing(100)
    assert made.run(script, renew=False) is not None
    assert kept() == 100
