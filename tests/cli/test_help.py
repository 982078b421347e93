"""Help without an option, and what shells complete."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from rftools.cli import COMMANDS
from tests.cli.running import run


def test_no_words_are_a_question_for_help(capsys: pytest.CaptureFixture[str]) -> None:
    alone = run(capsys)
    assert alone == run(capsys, "--help") == run(capsys, "help")
    status, out, err = alone
    assert (status, err) == (0, "")
    assert out.startswith("Usage: rftools [OPTIONS] COMMAND [ARGS]...\n")
    assert all(f"\n  {name} " in out for name in COMMANDS)


@pytest.mark.parametrize("verb", COMMANDS)
def test_help_of_a_verb_is_what_its_option_says(capsys: pytest.CaptureFixture[str], verb: str) -> None:
    status, out, err = run(capsys, "help", verb)
    assert (status, out, err) == run(capsys, verb, "--help")
    assert out.startswith(f"Usage: rftools {verb} ")


def test_help_of_what_is_not_there_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, err = run(capsys, "help", "sparsty")
    assert (status, out) == (2, "")
    assert err.startswith("rftools: error: no command 'sparsty' (closest: sparsity); the commands are trf, ")


def test_another_shell_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, err = run(capsys, "completion", "zhs")
    line = "rftools: error: no completion for 'zhs' (closest: zsh); there is one for bash, zsh, fish\n"
    assert (status, out, err) == (2, "", line)


def completed(words: str, place: int, folder: Path) -> list[str]:
    """What the program answers to the script that it gave to bash."""
    asked = {**os.environ, "_RFTOOLS_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": str(place)}
    program = [sys.executable, "-m", "rftools"]
    root = str(Path(__file__).resolve().parents[2])
    done = subprocess.run(
        program, env={**asked, "PYTHONPATH": root}, capture_output=True, text=True, check=False, cwd=folder
    )
    assert done.stderr == ""
    return done.stdout.splitlines()


def test_commands_and_options_are_completed(tmp_path: Path) -> None:
    assert completed("rftools t", 1, tmp_path) == [f"plain,{name}" for name in COMMANDS if name.startswith("t")]
    assert "plain,--layers" in completed("rftools trf --la", 2, tmp_path)
    assert "".join(completed("rftools trff --la", 2, tmp_path)) == ""  # nothing, silently


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_is_one_that_the_shell_reads(capsys: pytest.CaptureFixture[str], shell: str) -> None:
    status, script, err = run(capsys, "completion", shell)
    assert (status, err) == (0, "")
    assert f"_RFTOOLS_COMPLETE={shell}_complete" in script
    if shutil.which(shell):
        subprocess.run([shell, "-n"], input=script, text=True, check=True, capture_output=True)
