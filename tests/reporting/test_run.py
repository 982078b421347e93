"""A run's folder as a report: the last epoch, the course of its layers, and a frame an epoch."""

from __future__ import annotations

import html
import re
import shutil
from pathlib import Path

import pytest

import rftools as rf
from rftools.cli import main
from rftools.errors import RequestError
from rftools.reporting.drawing.series import course_figures, frames
from rftools.reporting.sections import courses
from rftools.reporting.sources.run import from_run
from rftools.reporting.subject.subject import Subject

LAYER = "features.block2.conv"
NAMED = r'"name": "vgg-dilated .([^"]+).",'


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "pruned"
    given = ["--epochs", "2", "--steps-per-epoch", "2", "--batch-size", "4", "--device", "cpu"]
    schedule = ["--prune", "constant:0.9@begin=2", "--prune-every", "1"]
    main(["train", "rftools:vgg-dilated", "--data", "patches", *given, *schedule, "-o", str(folder)])
    return folder


@pytest.fixture(scope="module")
def subject(run: Path) -> Subject:
    return from_run(run, {"count": 2})


def test_each_epoch_says_what_its_own_checkpoint_says(run: Path, subject: Subject) -> None:
    assert [epoch.number for epoch in subject.epochs] == [0, 1, 2]
    assert subject.followed[0] == "features.block1.conv"
    read = {course.key: course.read for course in courses()}
    for epoch in subject.epochs:
        model = rf.load(run / f"epoch-{epoch.number:04d}.pt")
        assert read["sparsity"](epoch, LAYER)[0] == 100 * rf.sparsity(model)[LAYER].sparsity
        (row,) = rf.effective(model, layers=[LAYER], count=2)
        found = row.measures["radius_50"]
        assert read["effective"](epoch, LAYER) == (2 * found.value, 2 * found.low, 2 * found.high)
    assert read["sparsity"](subject.epochs[0], LAYER)[0] == 0
    assert read["sparsity"](subject.epochs[2], LAYER)[0] == pytest.approx(90, abs=0.1)
    share = rf.theoretical(rf.load(run / "epoch-0002.pt"), surviving=True)[LAYER].surviving
    assert share is not None
    assert read["left"](subject.epochs[2], LAYER)[0] == 100 * share.share
    assert read["left"](subject.epochs[0], LAYER)[0] is None  # nothing was pruned yet


def test_the_report_is_of_the_last_epoch(run: Path, subject: Subject) -> None:
    assert subject.file == "epoch-0002.pt"
    assert len(subject.history) == 2


def test_a_run_beside_others_is_its_best_checkpoint(run: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    shutil.copy(run / "epoch-0001.pt", other / "best.pt")
    shutil.copy(run / "epoch-0000.pt", other / "epoch-0000.pt")
    page, answer = tmp_path / "page.html", tmp_path / "page.json"
    rf.report([rf.load(run / "epoch-0002.pt"), other], page, effective=False, json_path=answer)
    assert set(re.findall(NAMED, answer.read_text())) == {"epoch-0002.pt", "best.pt"}
    (other / "epoch-0000.pt").unlink()  # and one without epochs is its best checkpoint alone
    rf.report(other, page, effective=False, json_path=answer)
    assert set(re.findall(NAMED, answer.read_text())) == {"best.pt"}


def test_the_course_is_drawn_and_framed(subject: Subject) -> None:
    keys = {figure.key for figure in course_figures(subject, courses())}
    assert keys >= {"training-effective", "training-sparsity"}
    shown = frames(subject)
    assert [frame["epoch"] for frame in shown] == [0, 1, 2]
    assert [entry["layer"] for entry in shown[0]["maps"]] == list(subject.followed)
    assert (
        dict(shown[2]["facts"])["Weights that are zero"] == f"{100 * rf.sparsity(_last(subject)).total.sparsity:.1f} %"
    )


def _last(subject: Subject) -> rf.Model:
    return rf.load(subject.model.spec)


def test_the_command_takes_the_folder(run: Path, tmp_path: Path) -> None:
    page = tmp_path / "r.html"
    main(["report", str(run), "-o", str(page), "--count", "2"])
    text = page.read_text(encoding="utf-8")
    assert re.findall(r'class="epoch" data-epoch="(\d+)"', text) == ["0", "1", "2"]
    assert "rftools report pruned --count 2 -o r.html" in html.unescape(text)


def test_a_folder_without_a_run(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match=r"is a folder without a run: it holds no epoch-\*.pt"):
        rf.report(str(tmp_path), tmp_path / "r.html")
