"""Studies really run: tables, pages, what is there is not made again, kills lose nothing, workers give the same."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest

from rftools.cli import main
from rftools.errors import RequestError
from rftools.models.training.lock import alone
from rftools.study import rebuild, run, study
from rftools.study.plan import read_plan
from rftools.study.run import Run
from rftools.study.schedule import Workers, placed

PLAN = """
title = "Small nets"
data = "marks"
[scale.smoke]
seeds = 1
epochs = 2
steps = 2
count = 4
[scale.two]
seeds = 2
epochs = 2
steps = 2
count = 4
[[row]]
name = "strided"
net = "vgg-strided"
[[row]]
name = "strided, 2 taps"
net = "vgg-strided"
taps = 2
scales = ["smoke"]
"""
TABLES = ("results.csv", "epochs.csv", "layers.csv", "roses.csv")


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A plan, and the folder of its study in which nothing went wrong."""
    place = tmp_path_factory.mktemp("study")
    plan = place / "mine.toml"
    plan.write_text(PLAN, encoding="utf-8")
    study(plan, place / "whole", scale="smoke")
    return plan, place / "whole"


def same(one: Path, other: Path) -> bool:
    return all((one / name).read_bytes() == (other / name).read_bytes() for name in TABLES)


def test_tables_hold_a_run_a_row(whole):
    _, folder = whole
    results, layers = (pd.read_csv(folder / name) for name in ("results.csv", "layers.csv"))
    assert list(results["row"]) == ["strided", "strided, 2 taps"]
    assert list(results["parameters"]) == [25_474 - 8 * 49] * 2  # two classes in place of ten
    assert list(results["theoretical"]) == [17, 17]
    assert results["error"].isna().all()
    taps = layers[layers["row"] == "strided, 2 taps"]
    assert (taps["lines"] == taps["kernels"]).all()
    epochs = pd.read_csv(folder / "epochs.csv")
    assert epochs.groupby("row")["epoch"].max().to_dict() == {"strided": 2, "strided, 2 taps": 3}
    assert results["macs"].iloc[0] == 16 * 27 * 1024 + 24 * 144 * 256 + 32 * 216 * 64 + 48 * 288 * 16 + 48 * 2


def test_rows_with_taps_begin_with_the_whole_nets_training(whole, tmp_path):
    """Whether that is there or not: the same numbers; the pruned net's weights and directions are counted."""
    plan, folder = whole
    taps = tmp_path / "taps.toml"
    rows = plan.read_text().split("[[row]]")
    taps.write_text("[[row]]".join([rows[0], rows[2]]), encoding="utf-8")
    study(taps, tmp_path / "alone", scale="smoke")
    for name in TABLES:
        both, own = (pd.read_csv(place / name) for place in (folder, tmp_path / "alone"))
        both = both[both["row"] == "strided, 2 taps"].reset_index(drop=True)
        pd.testing.assert_frame_equal(both[own.columns], own, check_dtype=False)
    results, layers, roses = (pd.read_csv(folder / f"{name}.csv") for name in ("results", "layers", "roses"))
    assert results["nonzero"][0] == results["parameters"][0]
    kernels = 3 * 16 + 16 * 24 + 24 * 32 + 32 * 48
    assert results["parameters"][1] - results["nonzero"][1] == 7 * kernels
    assert roses["kernels"].sum() == kernels  # two taps have a direction always
    assert roses["chance"].sum() == pytest.approx(kernels)
    assert set(roses["layer"]) == set(layers["layer"][layers["row"] == "strided, 2 taps"])


def test_a_folder_is_filled_by_one_process(whole):
    plan, folder = whole
    with alone(folder), pytest.raises(RequestError, match="is being written by another process; wait for it"):
        study(plan, folder, scale="smoke")


def test_what_is_there_is_not_made_again(whole, monkeypatch):
    plan, folder = whole
    monkeypatch.setattr(run, "_made", lambda *_: pytest.fail("it was made again"))
    records = study(plan, folder, scale="smoke")
    assert len(records) == 2


def test_keys_say_what_made_a_run(whole):
    plan = read_plan(whole[0])
    one = Run(plan.rows[0], 0, "marks", plan.scale("smoke"))
    assert one.key == Run(plan.rows[0], 0, "marks", plan.scale("smoke")).key
    others = [
        Run(plan.rows[1], 0, "marks", plan.scale("smoke")),
        Run(plan.rows[0], 1, "marks", plan.scale("smoke")),
        Run(plan.rows[0], 0, "patches", plan.scale("smoke")),
    ]
    assert len({one.key, *(other.key for other in others)}) == 4


def test_the_page_is_made_from_results_alone(whole, tmp_path):
    _, folder = whole
    copy = tmp_path / "copy"
    copy.mkdir()
    for name in (*TABLES, "plan.toml"):
        (copy / name).write_bytes((folder / name).read_bytes())
    assert rebuild(copy).read_text() == (folder / "report.html").read_text()
    (copy / "results.csv").write_text("row,net\na,b\n")
    with pytest.raises(RequestError, match="has no column seed: another version of rftools wrote it"):
        rebuild(copy)
    with pytest.raises(RequestError, match="holds no study"):
        rebuild(tmp_path)


def test_a_failed_run_is_a_row_with_its_reason(whole, tmp_path, monkeypatch, capsys):
    plan, _ = whole
    made = run._made

    def sometimes(own, place):
        if own.row.taps is not None:
            raise RequestError("the loss is not finite in epoch 1")
        return made(own, place)

    monkeypatch.setattr(run, "_made", sometimes)
    with pytest.raises(SystemExit) as ended:
        main(["study", str(plan), "--scale", "smoke", "-o", str(tmp_path / "out")])
    assert ended.value.code == 1
    assert "2 runs, 1 of them failed" in capsys.readouterr().out
    results = pd.read_csv(tmp_path / "out" / "results.csv")
    assert list(results["error"].fillna("")) == ["", "the loss is not finite in epoch 1"]
    assert (
        "strided, 2 taps, seed 0: the loss is not finite in epoch 1" in (tmp_path / "out" / "report.html").read_text()
    )


def test_requests_that_cannot_be_met(whole, tmp_path, capsys):
    plan, folder = whole
    other = tmp_path / "other.toml"
    other.write_text(PLAN.replace("Small nets", "Other nets"), encoding="utf-8")
    with pytest.raises(RequestError, match="holds another study \\('Small nets'\\)"):
        study(other, folder, scale="smoke")
    with pytest.raises(RequestError, match=r"take data with a label a picture .*; discs has others"):
        study(plan, tmp_path / "x", scale="smoke", data="discs")
    with pytest.raises(RequestError, match=rf"a folder of yours: --data folder --data-dir {tmp_path}\)"):
        study(plan, tmp_path / "x", scale="smoke", data=str(tmp_path))
    (tmp_path / "flat").mkdir()
    with pytest.raises(RequestError, match="flat has no sub-folders; it needs one a class"):
        study(plan, tmp_path / "x", scale="smoke", data="folder", data_dir=tmp_path / "flat")
    with pytest.raises(SystemExit) as ended:
        main(["study", "article", "--cluster", "tcp://127.0.0.1:1", "--scale", "smoke", "-o", str(tmp_path / "y")])
    assert ended.value.code == 2
    assert "no scheduler answers at tcp://127.0.0.1:1" in capsys.readouterr().err


def test_runs_take_gpus_in_turn(whole):
    plan = read_plan(whole[0])
    runs = [Run(plan.rows[0], seed, "marks", plan.scale("smoke")) for seed in range(5)]
    assert [one.device for one in placed(runs, 2)] == ["cuda:0", "cuda:1", "cuda:0", "cuda:1", "cuda:0"]
    assert placed([Run(plan.rows[0], 0, "marks", plan.scale("smoke"), device="cpu")], 2)[0].device == "cpu"
    assert [one.key for one in placed(runs, 2)] == [one.key for one in runs]


def started(plan: Path, folder: Path, *more: str) -> subprocess.Popen[bytes]:
    words = [sys.executable, "-m", "rftools", "study", str(plan), "--scale", "smoke", "-o", str(folder), *more]
    return subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)


def test_torchrun_is_for_single_runs(whole, monkeypatch):
    for name, value in (("RANK", "0"), ("WORLD_SIZE", "2"), ("LOCAL_RANK", "0")):
        monkeypatch.setenv(name, value)
    with pytest.raises(RequestError, match=r"torchrun splits one run \(rftools train\)"):
        study(*whole, scale="smoke")


@pytest.mark.slow
def test_kills_at_any_moment_lose_nothing(whole, tmp_path):
    plan, folder = whole
    draw, out = random.Random(0), tmp_path / "killed"
    for _ in range(20):
        process = started(plan, out)
        time.sleep(draw.uniform(1, 12))
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    assert started(plan, out).wait() == 0
    assert same(folder, out)


@pytest.mark.slow
def test_workers_that_are_killed_are_replaced_and_give_the_same(whole, tmp_path):
    plan, folder = whole
    out = tmp_path / "workers"
    process = started(plan, out, "--workers", "2")
    time.sleep(8)
    children = subprocess.run(["pgrep", "-P", str(process.pid)], capture_output=True, text=True).stdout.split()
    if children:
        os.kill(int(children[-1]), signal.SIGKILL)
    assert process.wait() == 0
    assert same(folder, out)


@pytest.mark.slow
def test_the_scheduler_alone_is_killed_and_nothing_is_lost(whole, tmp_path):
    """At random moments, its workers left to end by themselves; then the same command goes on."""
    plan, folder = whole
    draw, out = random.Random(1), tmp_path / "scheduler"
    for _ in range(6):
        process = started(plan, out, "--workers", "2")
        time.sleep(draw.uniform(4, 20))
        process.kill()  # of the group only this one, which holds the scheduler
        process.wait()
        no_one_left(process.pid)
    assert started(plan, out, "--workers", "2").wait() == 0
    assert same(folder, out)


def no_one_left(group: int) -> None:
    """Wait until the group has no process any more; end it, and fail, after a minute."""
    for _ in range(120):
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return
        time.sleep(0.5)
    os.killpg(group, signal.SIGKILL)
    pytest.fail("workers outlived their scheduler by a minute")


@pytest.mark.slow
def test_two_workers_give_the_numbers_of_one(whole, tmp_path):
    plan, _ = whole
    study(plan, tmp_path / "one", scale="two")
    study(plan, tmp_path / "both", scale="two", workers=Workers(2))
    assert same(tmp_path / "one", tmp_path / "both")
    key = pd.read_csv(tmp_path / "both" / "results.csv")["key"].iloc[0]
    assert "accuracy" in json.loads((tmp_path / "both" / "runs" / key / "result.json").read_text())
