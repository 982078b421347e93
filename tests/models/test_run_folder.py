"""A run's folder: one process writes it, only its own files are its checkpoints, odd ones are refused in one line."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from rftools.errors import RequestError
from rftools.models.training.lock import alone
from rftools.models.training.runs import checkpoints, prepare_run
from tests.models.test_training import run

HOLDS = """
import sys
from pathlib import Path
from rftools.models.training.lock import alone
with alone(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_two_processes_do_not_write_one_run(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLDS, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"held\n"
        for write in (lambda: prepare_run(tmp_path, resume=False), lambda: run(tmp_path)):
            with pytest.raises(RequestError, match="is being written by another process"):
                write()
        assert list(tmp_path.iterdir()) == []
        other.kill()  # however the other ends, the folder is free again
    prepare_run(tmp_path, resume=False)


def test_a_run_holds_its_folder_until_it_ends(tmp_path: Path) -> None:
    with alone(tmp_path), pytest.raises(RequestError, match="another process"), alone(tmp_path):
        pass
    with alone(tmp_path):
        pass


def test_only_numbered_epochs_are_checkpoints(tmp_path: Path) -> None:
    names = ("epoch-0001.pt", "epoch-10.pt", "epoch-2.pt")
    for name in (
        *names,
        "epoch-².pt",
        "epoch-٣.pt",
        "epoch-.pt",
        "epoch-1a.pt",
        "epoch--1.pt",
        "epoch-" + "9" * 90 + ".pt",
    ):
        (tmp_path / name).touch()
    assert [path.name for path in checkpoints(tmp_path)] == ["epoch-0001.pt", "epoch-2.pt", "epoch-10.pt"]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "run"
    run(folder, epochs=1)
    return folder


ODD: dict[str, tuple[Any, ...]] = {
    "optimizer": (None, 3, {}, {"state": 3, "param_groups": []}, {"state": {}, "param_groups": [{}]}),
    "schedule": (None, {}, {"steps": "x"}, {"steps": []}),
    "random": (None, {"torch": 3}, {"numpy": [1]}, {"python": []}, {"torch": torch.zeros(3)}),
    "history": ([{}], [{"epoch": 1}], [{"loss": "x"}], [[]], [{"epoch": 1, "nonsense": 1.0}]),
    "options": (3, []),
    "data": (3, ["made up"]),
    "epoch": ("x", -1, 1.5),
    "state_dict": ({}, {"a": torch.zeros(1)}, 3),
    "arch": ({}, {"name": 3}, {"name": "vgg-strided", "arguments": 3}),
}
CASES = [(key, number) for key, values in ODD.items() for number in range(-1, len(values))]


@pytest.mark.parametrize(("key", "number"), CASES)
def test_an_odd_checkpoint_is_not_resumed(trained: Path, tmp_path: Path, key: str, number: int) -> None:
    """Each part of another kind, and (number -1) each part missing."""
    content = torch.load(trained / "epoch-0001.pt", weights_only=True)
    content.pop(key)
    if number >= 0:
        content[key] = ODD[key][number]
    (tmp_path / "run").mkdir()
    torch.save(content, tmp_path / "run" / "epoch-0001.pt")
    if number < 0 and key == "options":
        return  # files of the first version have none
    with pytest.raises(RequestError) as caught:
        run(tmp_path / "run", epochs=2, resume=True)
    assert "\n" not in str(caught.value)
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["epoch-0001.pt"]
