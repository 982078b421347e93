"""The command line where its outputs are closed or full, and where names hold anything."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from rftools.cli import main
from tests.cli.running import run

posix = pytest.mark.skipif(os.name != "posix", reason="streams as POSIX has them")
START = [sys.executable, "-m", "rftools"]


def closing(number: int) -> Any:
    return lambda: os.close(number)


@posix
@pytest.mark.parametrize("words", [["models"], ["models", "--json", "-"], ["info", "rftools:vgg-dilated"], ["--help"]])
def test_a_closed_output_is_one_line(words: list[str]) -> None:
    done = subprocess.run([*START, *words], preexec_fn=closing(1), stderr=subprocess.PIPE, text=True, timeout=120)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert done.stderr.startswith("rftools: error: cannot write the answer: ")


@posix
def test_a_closed_error_output_leaves_the_answer_alone() -> None:
    done = subprocess.run([*START, "models"], preexec_fn=closing(2), stdout=subprocess.PIPE, text=True, timeout=120)
    assert done.returncode == 0
    assert "vgg-dilated" in done.stdout
    done = subprocess.run([*START, "modles"], preexec_fn=closing(2), stdout=subprocess.PIPE, text=True, timeout=120)
    assert (done.returncode, done.stdout) == (2, "")


@posix
@pytest.mark.parametrize("words", [["models"], ["models", "--json", "-"]])
def test_a_full_output_is_one_line(tmp_path: Path, words: list[str]) -> None:
    """A file that may not grow stands for a full disk."""
    import resource

    def small() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (16, 16))

    with (tmp_path / "out").open("wb") as out:
        done = subprocess.run(
            [*START, *words], preexec_fn=small, stdout=out, stderr=subprocess.PIPE, text=True, timeout=120
        )
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "cannot write the answer" in done.stderr


@posix
def test_an_output_of_another_encoding_writes_names_out(tmp_path: Path) -> None:
    torch.save({"größe.weight": torch.ones(2, 2, 3, 3)}, tmp_path / "a.pt")
    plain = os.environ | {"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    done = subprocess.run(
        [*START, "sparsity", tmp_path / "a.pt"], env=plain, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert r"gr\xf6\xdfe" in done.stdout


@pytest.mark.skipif(sys.platform != "linux", reason="file names of any bytes, as Linux has them")
@pytest.mark.parametrize("verb", ["sparsity", "trf", "info", "check", "orientation"])
def test_file_names_of_any_bytes(capsys: pytest.CaptureFixture[str], tmp_path: Path, verb: str) -> None:
    from rftools.models import build

    path = os.fsdecode(os.fsencode(tmp_path) + b"/net-\xff\xfe.pt")
    torch.save(build("vgg-dilated").state_dict(), path)
    words = [] if verb in ("info", "sparsity", "orientation") else ["--model", "rftools:vgg-dilated"]
    more = ["--min-field", "3"] if verb == "check" else ["--csv", f"{path}.csv"]
    status, out, err = run(capsys, verb, path, *words, *more, "--json", f"{path}.json")
    assert status == 0, err
    assert out
    assert os.path.exists(f"{path}.json")


@pytest.mark.skipif(sys.platform != "linux", reason="file names of any bytes, as Linux has them")
def test_pages_and_pictures_of_names_of_any_bytes(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = os.fsdecode(os.fsencode(tmp_path) + b"/net-\xff.pt")
    torch.save({"a.weight": torch.ones(4, 4, 3, 3)}, path)
    net = ["--model", f"{tmp_path}/own.py:make", "--input-size", "4x12x12"]
    (tmp_path / "own.py").write_text(
        "from torch import nn\ndef make():\n    return nn.Sequential()\n".replace(
            "nn.Sequential()", "nn.ModuleDict({'a': nn.Conv2d(4, 4, 3, bias=False)})['a']"
        )
    )
    torch.save({"weight": torch.ones(4, 4, 3, 3)}, path)
    for suffix in (".html", ".png", ".svg", ".pdf"):
        status, _, err = run(capsys, "trf", path, *net, "-o", f"{path}{suffix}")
        assert status == 0, (suffix, err)
    status, _, err = run(capsys, "report", path, *net, "--no-effective", "-o", f"{path}.page.html")
    assert status == 0, err


EVIL = "\x1b]0;owned\x07\x1b[2J\r\u202e\u2028"


@pytest.mark.parametrize("verb", ["sparsity", "trf", "erf", "orientation", "info", "check", "tuning"])
def test_names_cannot_steer_the_terminal(capsys: pytest.CaptureFixture[str], tmp_path: Path, verb: str) -> None:
    (tmp_path / "own.py").write_text(
        "from collections import OrderedDict\nfrom torch import nn\ndef make():\n"
        f"    return nn.Sequential(OrderedDict({{{EVIL!r}: nn.Conv2d(3, 4, 3), 'b': nn.Conv2d(4, 4, 3)}}))\n"
    )
    net = nn.Sequential()
    net.add_module(EVIL, nn.Conv2d(3, 4, 3))
    net.add_module("b", nn.Conv2d(4, 4, 3))
    torch.save(net.state_dict(), tmp_path / "a.pt")
    spec = [str(tmp_path / "a.pt")]
    if verb != "info":
        spec += ["--model", f"{tmp_path}/own.py:make", "--input-size", "3x12x12"]
    more = {"check": ["--min-field", "100", "--layers", "*"], "info": ["--keys"], "erf": ["--count", "2"]}.get(verb, [])
    _, out, err = run(capsys, verb, *spec, *more)
    assert "b" in out
    assert all(c.isprintable() or c in "\n\t" for c in out + err)


def test_a_live_table_takes_names_as_they_are() -> None:
    from rich.console import Console

    from rftools.cli.live import _table
    from rftools.erf import effective
    from rftools.erf.enough import Seen

    seen: list[Seen] = []
    effective(nn.Sequential(nn.Conv2d(3, 4, 3)), input_size=(3, 12, 12), count=2, watch=seen.append)
    (measure,) = seen[-1].measures.values()
    name = "[/bold]x[red]"
    console = Console(width=100)
    with console.capture() as shown:
        console.print(_table(Seen({name: measure}, {name: 2}, frozenset(), 0.5)))
    assert "[/bold]x[red]" in shown.get()


def test_an_unexpected_failure_is_one_line(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    import rftools.models

    def fail() -> None:
        raise ZeroDivisionError("of all things")

    monkeypatch.setattr(rftools.models, "NETS", property(fail))
    status, out, err = run(capsys, "models")
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert "unexpected" in err
    assert "rftools --debug shows where" in err
    with pytest.raises(Exception, match=r"property|iterable|items"):
        run(capsys, "--debug", "models")


@pytest.mark.parametrize("verb", ["trf", "erf", "sparsity", "report", "train", "prune", "study", "probe", "models"])
@pytest.mark.parametrize("name", ["a" * 5000, "a\0b"])
def test_names_that_no_file_can_have_are_one_line(capsys: pytest.CaptureFixture[str], verb: str, name: str) -> None:
    for words in (
        [verb, name],
        [verb, "rftools:vgg-dilated", "-o", name],
        [verb, "--csv", name],
        [verb, "--data", name],
    ):
        with pytest.raises(SystemExit) as stop:
            main(words)
        said = capsys.readouterr().err.splitlines()
        assert stop.value.code == 2
        assert said[-1].startswith("rftools: error: ")
        assert "fault of rftools" not in said[-1]
