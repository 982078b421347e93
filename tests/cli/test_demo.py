"""``rftools demo``: on a small part of its pictures, what it writes and says, and what it refuses."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

import rftools as rf
from rftools.cli import demo, main
from rftools.models import data

pytest.importorskip("skimage")


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    status = 0
    try:
        main(["demo", *arguments])
    except SystemExit as stop:
        status = int(stop.code or 0)
    captured = capsys.readouterr()
    return status, captured.out, captured.err


@pytest.fixture
def few_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = data.load_data

    def part(name: str, split: str = "train", **options: Any) -> data.Dataset:
        found = whole(name, split, **options)
        step = len(found) // 96
        return dataclasses.replace(found, images=found.images[::step], labels=found.labels[::step])

    monkeypatch.setattr(data, "load_data", part)


def test_the_pruned_copy_lost_the_smallest_weights_and_its_parents_curves(
    few_pictures: None, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    trained = demo._train(tmp_path / "run", epochs=1, seed=0)
    before = trained.read_bytes()
    demo._prune(trained, tmp_path / "pruned.pt")
    _check_pruned(tmp_path)
    assert demo._train(tmp_path / "run", epochs=1, seed=0).read_bytes() == before
    said = capsys.readouterr().out
    assert "held-out accuracy" in said
    assert "80% of each convolution's weights set to zero" in said


@pytest.mark.slow
def test_demo_leaves_pictures_and_reports(
    few_pictures: None, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    target = tmp_path / "new" / "demo"
    status, out, _ = run(capsys, "-o", str(target), "--epochs", "1")
    assert status == 0
    made = {path.name for path in target.iterdir()}
    assert made == {
        "run", "pruned.pt", "theoretical.png", "effective-before.png", "effective-after.png", "sparsity.png",
        "orientation.png", "report.html", "report-pruned.html",
    }  # fmt: skip
    assert "theoretical field: 31 pixels after the last convolution" in out
    assert out.splitlines()[-1].endswith(f"open {target / 'report.html'} in a browser")
    named = [word for word in out.split() if word.startswith(str(tmp_path))]
    assert len(named) > len(made)
    assert all(Path(word).exists() for word in named)


def _check_pruned(target: Path) -> None:
    """Per layer, the share that was asked for is gone, and what is left is larger than what went."""
    pruned, whole = rf.load(target / "pruned.pt"), rf.load(target / "run" / "best.pt")
    assert pruned.metadata.get("history") in (None, [])
    for name, module in pruned.module.named_modules():
        if isinstance(module, torch.nn.Conv2d):
            left = module.weight != 0
            original = whole.module.get_submodule(name).weight
            assert isinstance(original, torch.Tensor)
            assert int(left.sum()) == max(round(left.numel() * (1 - 0.8)), 1)
            assert torch.equal(module.weight[left], original[left])
            assert original[left].abs().min() > original[~left].abs().max()


def test_demo_of_other_settings_is_refused(
    few_pictures: None, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    demo._train(Path("demo/run"), epochs=1, seed=0)
    capsys.readouterr()
    status, _, err = run(capsys, "--epochs", "1", "--seed", "3")
    assert (status, err) == (
        2,
        "rftools: error: demo/run holds a demo of 1 epochs with seed 0, not of 1 with seed 3; remove it, or name "
        "another folder with -o\n",
    )


def test_demo_in_a_place_that_cannot_be_written_is_refused_at_once(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    status, out, err = run(capsys, "-o", str(tmp_path / "file" / "demo"))
    assert (status, out) == (2, "")
    assert err == f"rftools: error: cannot write {tmp_path / 'file' / 'demo'}: not a directory\n"


def test_demo_without_photographs_names_the_package(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "skimage", None)
    status, _, err = run(capsys, "-o", str(tmp_path / "demo"))
    assert status == 2
    assert err == (
        "rftools: error: the photographs of patches need the package scikit-image, which is not installed: "
        "pip install 'rftools[data]'\n"
    )
