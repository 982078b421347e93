"""Training: what a run leaves, and that a resumed run equals the uninterrupted one bit for bit."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from rftools.errors import RequestError
from rftools.models import build, read_checkpoint
from rftools.models.data import Dataset
from rftools.models.training.epochs import Recipe
from rftools.models.training.loop import train
from rftools.models.training.options import Options
from rftools.models.training.progress import Watcher


def data(seed: int, n: int = 48) -> Dataset:
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(n) % 3
    images = torch.randint(0, 120, (n, 3, 12, 12), generator=generator)
    images += labels[:, None, None, None] * 60
    return Dataset("made up", images.to(torch.uint8), labels, ("a", "b", "c"))


RECIPE = Recipe(
    {"name": "vgg-strided", "arguments": {"classes": 3, "channels": 3}},
    lambda: build("vgg-strided", classes=3, channels=3),
)
OPTIONS = Options(epochs=3, batch_size=8, seed=5)


def run(folder: Path, epochs: int = 3, **more: object) -> None:
    train(RECIPE, data(0), data(1, 12), folder, Options(epochs=epochs, batch_size=8, seed=5), **more)  # type: ignore[arg-type]


def same(a: object, b: object) -> bool:
    """Equal down to the last bit, times and speeds left out."""
    if isinstance(a, torch.Tensor):
        return isinstance(b, torch.Tensor) and torch.equal(a, b)
    if isinstance(a, dict):
        skip = {"seconds", "images_per_second", "versions"}
        return isinstance(b, dict) and a.keys() == b.keys() and all(same(a[k], b[k]) for k in a if k not in skip)
    if isinstance(a, (list, tuple)):
        return isinstance(b, (list, tuple)) and len(a) == len(b) and all(map(same, a, b))
    return a == b


def test_what_a_run_leaves(tmp_path: Path) -> None:
    run(tmp_path / "run")
    names = sorted(p.name for p in (tmp_path / "run").glob("*.pt"))
    assert names == ["best.pt", *[f"epoch-000{i}.pt" for i in range(4)]]
    content = torch.load(tmp_path / "run" / "epoch-0003.pt", weights_only=True)
    wanted = {"arch", "state_dict", "optimizer", "schedule", "random", "epoch", "history", "classes", "input_size"}
    assert wanted | {"normalisation", "data", "versions"} <= set(content)
    lines = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert [line["epoch"] for line in lines] == [1, 2, 3]
    best = max(lines, key=lambda line: (line["val_accuracy"], -line["epoch"]))
    assert read_checkpoint(tmp_path / "run" / "best.pt")["epoch"] == best["epoch"]
    assert lines[-1]["loss"] < lines[0]["loss"]


def test_resumed_equals_uninterrupted(tmp_path: Path) -> None:
    run(tmp_path / "whole")
    run(tmp_path / "parts", epochs=1)
    run(tmp_path / "parts", epochs=2, resume=True)
    run(tmp_path / "parts", epochs=3, resume=True)
    for name in ("epoch-0003.pt", "best.pt"):
        assert same(*(read_checkpoint(tmp_path / part / name) for part in ("whole", "parts"))), name


def test_another_seed_is_another_run(tmp_path: Path) -> None:
    run(tmp_path / "a", epochs=1)
    train(RECIPE, data(0), data(1, 12), tmp_path / "b", Options(epochs=1, batch_size=8, seed=6))
    assert not same(*(read_checkpoint(tmp_path / n / "epoch-0001.pt")["state_dict"] for n in "ab"))


SCRIPT = """
import sys
from pathlib import Path
from tests.models.test_training import run
folder = Path(sys.argv[1])
run(folder, epochs=4, resume=any(folder.glob("epoch-*.pt")))
"""


def environment() -> dict[str, str]:
    """Of a process that imports these tests."""
    return {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path(__file__).parents[2])}


def kill_at_random(folder: Path, kills: int, seed: int) -> None:
    """Start the run in a process of its own, SIGKILL it at random instants, and let the last start finish."""
    r = random.Random(seed)
    started = time.monotonic()
    first = subprocess.Popen([sys.executable, "-c", SCRIPT, str(folder / "timing")], env=environment())
    assert first.wait(timeout=300) == 0
    length = time.monotonic() - started
    for _ in range(kills):
        process = subprocess.Popen([sys.executable, "-c", SCRIPT, str(folder / "run")], env=environment())
        try:
            process.wait(timeout=r.uniform(0.3, 1.0) * length)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait(timeout=60)
    assert (
        subprocess.run([sys.executable, "-c", SCRIPT, str(folder / "run")], env=environment(), check=False).returncode
        == 0
    )


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL is not known there")
@pytest.mark.parametrize("kills", [2, pytest.param(10, marks=pytest.mark.slow)])
def test_killed_and_resumed_equals_uninterrupted(tmp_path: Path, kills: int) -> None:
    kill_at_random(tmp_path, kills, seed=kills)
    for name in ("epoch-0004.pt", "best.pt"):
        assert same(*(read_checkpoint(tmp_path / part / name) for part in ("timing", "run"))), name
    assert not list((tmp_path / "run").glob(".*"))


def test_a_full_disk_leaves_the_last_checkpoint_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run(tmp_path, epochs=1)
    before = (tmp_path / "epoch-0001.pt").read_bytes()

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(RequestError, match=r"cannot write .*: no space left on device"):
        run(tmp_path, epochs=2, resume=True)
    monkeypatch.undo()
    assert (tmp_path / "epoch-0001.pt").read_bytes() == before
    assert not (tmp_path / "epoch-0002.pt").exists()
    run(tmp_path, epochs=2, resume=True)
    assert read_checkpoint(tmp_path / "epoch-0002.pt")["epoch"] == 2


def test_interrupted_from_the_keyboard_keeps_whole_epochs(tmp_path: Path) -> None:
    class Impatient(Watcher):
        def end_epoch(self, epoch: object) -> None:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, watcher=Impatient())
    assert read_checkpoint(tmp_path / "epoch-0001.pt")["epoch"] == 1


def test_bad_requests(tmp_path: Path) -> None:
    run(tmp_path / "run", epochs=1)
    with pytest.raises(RequestError, match=r"holds a run already; go on with --resume"):
        run(tmp_path / "run")
    with pytest.raises(RequestError, match=r"nothing to resume in"):
        run(tmp_path / "none", resume=True)
    (tmp_path / "file").touch()
    with pytest.raises(RequestError, match=r"it is a file; name a folder"):
        run(tmp_path / "file")
    with pytest.raises(RequestError, match=r"was begun with --batch-size 8, not 4"):
        train(RECIPE, data(0), data(1, 12), tmp_path / "run", Options(batch_size=4, seed=5), resume=True)
    segmenter = Recipe({"name": "fcn-dilated", "arguments": {}}, lambda: build("fcn-dilated", classes=3))
    with pytest.raises(RequestError, match=r"the net gives 3x12x12 a picture; training takes 3 scores, one a class"):
        train(segmenter, data(0), data(1, 12), tmp_path / "map")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (Options(epochs=0), r"--epochs is 0; it takes a whole number from 1"),
        (Options(batch_size=-1), r"--batch-size is -1"),
        (Options(lr=-1.0), r"--lr is -1.0; it takes a positive number"),
        (Options(device="quantum"), r"no device 'quantum'"),
        (Options(lr=1e30, epochs=4), r"the loss is not finite in epoch"),
    ],
)
def test_bad_options(tmp_path: Path, options: Options, message: str) -> None:
    with pytest.raises(RequestError, match=message):
        train(RECIPE, data(0), data(1, 12), tmp_path / "run", options)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_trains_on_cuda(tmp_path: Path) -> None:
    train(
        RECIPE, data(0), data(1, 12), tmp_path / "run", Options(epochs=2, device="cuda", amp=True, channels_last=True)
    )
