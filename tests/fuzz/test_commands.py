"""Values on the command line: every option of every command with what nobody should type; each ends in an answer or in
one line with status 2.

``python -m tests.fuzz.test_commands 1000 7`` runs 1,000 of seed 7 by hand.
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
import tempfile
import warnings
from pathlib import Path
from typing import Any

import click
import numpy as np
import pytest

from rftools.cli import COMMANDS, group, main
from tests.fuzz.watching import SECONDS, Late, limited

NET = """
from collections import OrderedDict
from torch import nn
def make():
    return nn.Sequential(OrderedDict(a=nn.Conv2d(3, 4, 3), b=nn.ReLU(), c=nn.Conv2d(4, 4, 3, stride=2)))
"""
VERBS = tuple(name for name in COMMANDS if name not in ("demo", "train"))  # these write folders of their own
QUICK = {"report": ["--no-effective"], "check": ["--min-field", "3"], "prune": ["--sparsity", "0.5"]}
PLAIN = """
- -- -1 0 00 1 2 3 7 0.5 -0.5 1e-300 1e309 -1e309 nan inf -inf 8589934592 99999999999 0x10 1_000 ² ٣ +3 1e3 3x3 0x0
-1x-1 3x x 999999x999999 3x8x8 3x8 1x1x1x1x1 99999x99999x99999 1,1 0,0 -1,-1 99,99 , ,, 1,,2 0-99999999999 5-3 0- a c
* ** [ [! [] ? a* a= = =3 a=3 a=nan a=b=c a.stride=2 a.stride=0 a.dilation=999999999 a.nonsense=1 .stride=1 size<3
size< <3 size<x nope>1 class white pink patches light auto cpu cuda cuda:99 gpu meta float none None true {} {layer} {0}
%s %(a)s ../.. . .. / missing missing/a.json folder empty text.json own.py out.json out.png out.html out.csv out.npz
out.svg out.bmp é 💥 http://localhost/a.pt https://x file:///a ~ $HOME rftools:vgg-dilated rftools: torchvision: timm: :
:: a:b:c rftools:nope own.py:make own.py: own.py:nope own:make os:system os:getcwd builtins:exec sys:exit depth=3
depth=nan input=0 constant:0.5
"""
SPECIAL = ("", " ", "9" * 30, "9" * 5000, "a" * 300, "a" * 5000, "\x1b[2J", "\x00", "\n", "\t", "\udcff", "\u202e")
ODD = (*PLAIN.split(), *SPECIAL)


def options(verb: str) -> list[str]:
    """The options of a command that take a value."""
    command = group.get_command(click.Context(group), verb)
    assert command is not None
    return [p.opts[0] for p in command.params if isinstance(p, click.Option) and not p.is_flag and not p.count]


BY_VERB = {verb: options(verb) for verb in VERBS}


def words(random: np.random.Generator) -> list[str]:
    """A command line with one or two odd values."""
    verb = str(random.choice(VERBS))
    own = BY_VERB[verb]
    spec = (
        ["own.py:make", "--input-size", "3x8x8"] if "--input-size" in own else ["own.py:make"] if verb == "info" else []
    )
    if spec and random.random() < 0.1:
        spec[0] = _odd(random)
    found = [verb, *spec, *QUICK.get(verb, [])]
    if verb in ("report", "prune"):
        found += ["-o", "out.html" if verb == "report" else "out.pt"]
    if "--count" in own and verb != "report":
        found += ["--count", "2"]
    for _ in range(int(random.integers(1, 3))):
        if own:
            found += [str(random.choice(own)), _odd(random)]
        else:
            found += [_odd(random)]
    return found


def _odd(random: np.random.Generator) -> str:
    return ODD[int(random.integers(len(ODD)))]


def problem(arguments: list[str]) -> str | None:
    """What is wrong with how a command ended; None where it answered, or refused in one line."""
    out, err = io.StringIO(), io.StringIO()
    status: Any = 0
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), limited(2 * SECONDS):
            main(arguments)
    except SystemExit as stop:
        status = stop.code or 0
    except Late:
        return "hangs"
    except BaseException as error:
        return f"{type(error).__name__}: {str(error)[:200]}"
    last = err.getvalue().rstrip("\n").rpartition("\n")[2]
    if status == 130:
        return "hangs"
    if status not in (0, 1, 2) or "this is a fault of rftools" in last or "Traceback" in err.getvalue():
        return f"status {status}: {last[:300]}"
    if status == 2 and not (last.startswith("rftools: error: ") and last.isprintable()):
        return f"no line: {last[:300]!r}"
    return None


@contextlib.contextmanager
def workplace(folder: Path) -> Any:
    """A folder with files of several kinds, in which commands run."""
    (folder / "own.py").write_text(NET)
    (folder / "folder").mkdir(exist_ok=True)
    (folder / "empty").write_bytes(b"")
    (folder / "text.json").write_text("no JSON")
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


def run(folder: Path, count: int, seed: int) -> list[str]:
    random = np.random.default_rng(seed)
    wrong = []
    with workplace(folder):
        for _ in range(count):
            arguments = words(random)
            found = problem(arguments)
            if found:
                wrong.append(f"{' '.join(arguments)!r:.200}: {found}")
    return wrong


@pytest.mark.filterwarnings("ignore")
def test_odd_values_end_in_an_answer_or_one_line(tmp_path: Path) -> None:
    assert run(tmp_path, 40, 0) == []


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("seed", range(1, 11))
def test_many_odd_values_end_in_an_answer_or_one_line(tmp_path: Path, seed: int) -> None:
    assert run(tmp_path, 500, seed) == []


@pytest.mark.filterwarnings("ignore")
def test_the_command_without_odd_values_answers(tmp_path: Path) -> None:
    with workplace(tmp_path):
        for verb in ("trf", "sparsity", "orientation"):
            assert problem([verb, "own.py:make", "--input-size", "3x8x8"]) is None


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    found = run(Path(tempfile.mkdtemp()), int(sys.argv[1]), int(sys.argv[2]))
    print(f"{sys.argv[1]} command lines, {len(found)} wrong", *found, sep="\n")
