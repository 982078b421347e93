"""What a terminal shows while fields are measured, and what an interruption leaves in every output."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from rftools.cli.live import LiveTable
from rftools.erf.enough import Seen
from rftools.erf.result import Measure

NET = "rftools:vgg-dilated"
SLOW = """
import time, torch
from torch import nn


class Slow(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, padding=1)
        self.scale = nn.Parameter(torch.ones(4, 4))

    def forward(self, x):
        if not torch.compiler.is_compiling() and x.device.type == "cpu":
            print("image", flush=True)
            time.sleep(0.4)
        return self.conv(x)


def net():
    return Slow()
"""


def shown(table: LiveTable) -> str:
    console = Console(width=100, color_system=None)
    with console.capture() as captured:
        console.print(table.render())
    return captured.get()


def test_rows_and_the_time_that_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    table = LiveTable()
    table.begin("effective")
    clock[0] += 2
    assert shown(table).split() == ["effective", "...", "2", "s"]
    measures = {f"conv{i}": Measure(i + 0.25, None, None, "px") for i in range(40)}
    table.seen(Seen(measures, dict.fromkeys(measures, 8), frozenset({"conv39"}), 0.25))
    clock[0] += 1
    text = shown(table)
    assert "conv0 " in text
    assert "39.2" in text
    assert "8 ..." in text  # the last layer goes on
    assert text.count("conv") == 24  # of forty
    assert "38 %, about 5 s" in text  # two seconds were a quarter of eight, and one has gone since
    table.begin("page")
    assert shown(table).split() == ["page", "...", "0", "s"]


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM], ids=["ctrl-c", "term"])
def test_an_interruption_leaves_what_is_done_in_every_output(tmp_path: Path, sign: signal.Signals) -> None:
    (tmp_path / "slow.py").write_text(SLOW)
    words = ["erf", "slow.py:net", "--input-size", "3x12x12", "--count", "64"]
    words += ["--batch-size", "2", "--json", "erf.json", "--npz", "erf.npz", "-o", "erf.png", "--csv", "erf.csv"]
    done = run_until(tmp_path, words, sign)
    assert done.returncode == 130, done.stderr
    body = json.loads((tmp_path / "erf.json").read_text())
    assert body["partial"]
    assert 0 < body["layers"][0]["images"] < 64
    assert np.load(tmp_path / "erf.npz")["conv"].any()
    assert (tmp_path / "erf.png").stat().st_size > 1000
    assert (tmp_path / "erf.csv").read_text().startswith("layer,")


def test_an_interrupted_report_holds_what_was_done(tmp_path: Path) -> None:
    (tmp_path / "slow.py").write_text(SLOW)
    words = ["report", "slow.py:net", "--input-size", "3x12x12", "--count", "64", "--batch-size", "2"]
    done = run_until(tmp_path, [*words, "-o", "page.html", "--json", "page.json"], signal.SIGINT)
    assert done.returncode == 130, done.stderr
    body = json.loads((tmp_path / "page.json").read_text())
    assert body["partial"]
    assert body["models"][0]["theoretical"]["layers"]
    assert "interrupted" in (tmp_path / "page.html").read_text()


def _interruptible() -> None:
    """Ctrl-C is heard, though what runs the tests in the background may have it ignored."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def run_until(folder: Path, words: list[str], sign: signal.Signals) -> subprocess.CompletedProcess[str]:
    """The command, to which the signal is sent when some images have passed."""
    environment = {**os.environ, "PYTHONUNBUFFERED": "1", "OMP_NUM_THREADS": "1"}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    process = subprocess.Popen(  # type: ignore[call-overload]
        [sys.executable, "-m", "rftools", *words], cwd=folder, env=environment, preexec_fn=_interruptible, **pipes
    )
    images = 0
    while images < 4 and process.poll() is None:
        images += process.stdout.readline().startswith("image")
    process.send_signal(sign)
    out, err = process.communicate(timeout=300)
    return subprocess.CompletedProcess(words, process.returncode, out, err)
