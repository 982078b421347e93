"""Pruning while training: masks step by step against tables made by hand, counts, and resuming bit for bit."""

from __future__ import annotations

import itertools
import re
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn.utils import prune as torch_prune

import rftools as rf
from rftools.cli import main
from rftools.errors import RequestError
from rftools.models import build, read_checkpoint
from rftools.models.training.loop import train
from rftools.models.training.masks import Pruner, kept, largest
from rftools.models.training.options import Options
from rftools.models.training.progress import Watcher
from rftools.models.training.pruning import (
    make_pruner,
    prunable,
    remaining,
    with_masks,
    without_masks,
)
from rftools.models.training.schedules import Pruning, Schedule, parse_share
from tests.models.test_training import RECIPE, data, environment, same


def linear(*values: float) -> nn.Linear:
    layer = nn.Linear(len(values), 1, bias=False)
    layer.weight.data[0] = torch.tensor(values)
    return layer


def pruner(module: nn.Module, schedule: str, every: int = 1, **more: object) -> Pruner:
    request = Pruning(schedule, str(every), **more)  # type: ignore[arg-type]
    return make_pruner(module, request, per_epoch=10, total=1000)


# step: the weights that the step begins with, those it trains with, and how training then moves them.
# Masks are due at 1, 3, 5; the third weight comes back at 3, the fourth at 5, and none after that.
CONSTANT = [
    (0, (4.0, -3.0, 2.0, 1.0), (4.0, -3.0, 2.0, 1.0), (0.0, 0.0, 0.0, 0.0)),
    (1, (4.0, -3.0, 2.0, 1.0), (4.0, -3.0, 0.0, 0.0), (0.0, 2.0, 1.5, 0.5)),
    (2, (4.0, -1.0, 1.5, 0.5), (4.0, -1.0, 0.0, 0.0), (0.0, 0.0, 2.0, 0.0)),
    (3, (4.0, -1.0, 2.0, 0.0), (4.0, 0.0, 2.0, 0.0), (0.0, 3.0, 0.0, 0.0)),
    (4, (4.0, 3.0, 2.0, 0.0), (4.0, 0.0, 2.0, 0.0), (0.0, 0.0, 0.0, -9.0)),
    (5, (4.0, 0.0, 2.0, -9.0), (4.0, 0.0, 0.0, -9.0), (0.0, 0.0, 50.0, 0.0)),
    (6, (4.0, 0.0, 50.0, -9.0), (4.0, 0.0, 0.0, -9.0), (-3.0, 70.0, 0.0, 0.0)),
    (7, (1.0, 70.0, 0.0, -9.0), (1.0, 0.0, 0.0, -9.0), (0.0, 0.0, 0.0, 0.0)),
]


def test_constant_step_by_step_grows_back_until_frozen() -> None:
    layer = linear(4, -3, 2, 1)
    own = pruner(nn.Sequential(layer), "constant:0.5@begin=1,end=5", every=2)
    for step, before, after, move in CONSTANT:
        assert layer.weight.tolist() == [list(before)], step
        own.before_step(step)
        assert layer.weight.tolist() == [list(after)], step
        layer.weight.data += torch.tensor(move)


def test_without_an_end_masks_never_freeze() -> None:
    layer = linear(2, 1)
    own = pruner(nn.Sequential(layer), "constant:0.5@begin=0", every=100)
    own.before_step(0)
    layer.weight.data += torch.tensor([0.0, 5.0])
    own.before_step(99)
    assert layer.weight.tolist() == [[2, 0]]
    layer.weight.data += torch.tensor([0.0, 5.0])
    own.before_step(100)
    assert layer.weight.tolist() == [[0, 5]]


# 0.2 -> 0.8 over steps 2 to 5: 0.8 - 0.6 (1, 8/27, 1/27, 0) = 0.2, 0.6222, 0.7778, 0.8; of 10 weights 8, 4, 2, 2 stay.
@pytest.mark.parametrize(
    ("schedule", "every", "left"),
    [
        ("polynomial:0.2->0.8@2..5", 1, [10, 10, 8, 4, 2, 2, 2, 2]),
        ("polynomial:0.2->0.8@2..5", 2, [10, 10, 8, 8, 2, 2, 2, 2]),  # due at 2 and 4 only
        ("polynomial:0->0.8@0..4", 2, [10, 10, 3, 3, 2, 2, 2, 2]),  # 0, 0.7, 0.8
        ("polynomial:0->1@0..1", 1, [10, 1, 1, 1, 1, 1, 1, 1]),  # one weight always stays
        ("constant:0.25@3..3", 1, [10, 10, 10, 8, 8, 8, 8, 8]),  # 7.5 is rounded to the even 8
    ],
)
def test_schedules_step_by_step(schedule: str, every: int, left: list[int]) -> None:
    layer = linear(*range(1, 11))
    own = pruner(nn.Sequential(layer), schedule, every)
    for step, count in enumerate(left):
        own.before_step(step)
        assert layer.weight.tolist() == [[w if w > 10 - count else 0 for w in range(1, 11)]], step


def test_epochs_are_turned_into_steps_of_this_data() -> None:
    assert Pruning("polynomial:0->0.9@2e..8 epochs", "0.5e").in_steps(100) == Schedule(
        "polynomial", 0.0, 0.9, 200, 800, 50
    )
    own = Options(batch_size=32).steps_an_epoch
    assert [own(n) for n in (3200, 3201, 50_000)] == [100, 101, 1000]  # 50,000 / 32 = 1,562 is what the study took
    assert Options(steps_per_epoch=7).steps_an_epoch(3200) == 7


def test_keep_is_the_complement() -> None:
    given, other = Pruning("constant@begin=20", keep=0.25), Pruning("constant:0.75@begin=20")
    assert given.in_steps(10) == other.in_steps(10)
    assert Pruning("polynomial@1..5", keep=0.25).in_steps(10) == Pruning("polynomial:0->0.75@1..5").in_steps(10)


def two_layers() -> nn.Sequential:
    torch.manual_seed(1)
    return nn.Sequential(nn.Conv2d(3, 7, 3), nn.ReLU(), nn.Linear(11, 5))


@pytest.mark.parametrize("sparsity", [0.1, 0.5, 0.9])
def test_masks_are_those_of_torch(sparsity: float) -> None:
    own, net = pruner(two_layers(), f"constant:{sparsity}@begin=0"), two_layers()
    own.renew(0)
    for name in ("0", "2"):
        count = net[int(name)].weight.numel()
        torch_prune.l1_unstructured(net[int(name)], "weight", amount=count - kept(count, sparsity))
        assert torch.equal(own.masks[name], net[int(name)].weight_mask)


@pytest.mark.parametrize("sparsity", [0.1, 0.5, 0.8])
def test_global_masks_are_those_of_torch(sparsity: float) -> None:
    own, net = pruner(two_layers(), f"constant:{sparsity}@begin=0", scope="global"), two_layers()
    own.renew(0)
    count = 7 * 3 * 9 + 5 * 11
    torch_prune.global_unstructured(
        [(net[0], "weight"), (net[2], "weight")], torch_prune.L1Unstructured, amount=count - kept(count, sparsity)
    )
    assert all(torch.equal(own.masks[name], net[int(name)].weight_mask) for name in ("0", "2"))


def test_a_global_threshold_leaves_every_layer_its_largest_weight() -> None:
    net = nn.Sequential(linear(9, 8, 7), linear(0.1, -0.3, 0.2))
    own = pruner(net, "constant:0.5@begin=0", scope="global")
    own.before_step(0)
    assert [layer.weight.tolist()[0] for layer in net] == [[9, 8, 7], pytest.approx([0, -0.3, 0])]


def test_equal_sizes_go_to_the_earlier() -> None:
    assert largest(torch.ones(2, 3), 4).tolist() == [[True, True, True], [True, False, False]]


CASCADE = (3, 16, 20, 24, 28, 30, 32, 36, 38, 42, 48)
LARGE = [(3, 16, 3), (16, 24, 5), (24, 32, 7), (32, 48, 9)]


def test_remaining_counts_of_the_study_in_both_readings() -> None:
    kernels = [9 * a * b for a, b in itertools.pairwise(CASCADE)] + [48 * 10]
    others = sum(CASCADE[1:]) + 10 + 2 * sum(CASCADE[1:-1])  # biases, and the norms' scales and shifts
    cascade, parameters = build("vgg-cascade"), 86_404
    assert sum(kernels) + others == sum(p.numel() for p in cascade.parameters()) == parameters
    assert round(0.25 * parameters) == 21_601  # the study counts all parameters
    for sparsity, share in ((0.75, 0.25), (0.25, 0.75)):
        own = pruner(cascade, f"constant:{sparsity}@begin=0")
        assert list(own.weights) == [*[f"features.block{i}.conv" for i in range(1, 11)], "head"]
        left = remaining(own, parameters)
        assert left == {0.75: 22_243, 0.25: 65_017}[sparsity]  # as docs/howto/prune.md has it
        assert left == others + sum(round(n * share) for n in kernels)
        assert abs(left - (others + share * sum(kernels))) <= 0.5 * len(kernels)
        own.renew(0)
        assert left == parameters - sum(int((mask == 0).sum()) for mask in own.masks.values())
    large, parameters = build("vgg-large"), 172_930
    kernels = [k * k * a * b for a, b, k in LARGE] + [48 * 10]
    assert round(0.15 * parameters) == 25_940
    for sparsity in (0.85, 0.15):
        own = pruner(large, f"constant:{sparsity}@begin=0")
        expected = parameters - sum(kernels) + sum(round(round(n * (1 - sparsity), 6)) for n in kernels)
        assert remaining(own, parameters) == expected == {0.85: 26_254, 0.15: 147_046}[sparsity]


def test_what_is_pruned_and_what_is_not() -> None:
    net = build("vgg-depthwise", classes=3, channels=3)
    apart = [f"features.block{i}.conv" for i in (2, 4, 5, 7, 8, 9)]
    ready = prunable(net)
    assert set(ready) == {"features.block1.conv", "features.block3.conv", "features.block6.conv",
                          "features.block10.conv", "head"}  # fmt: skip
    assert set(prunable(net, depthwise=True)) == {*ready, *apart}
    assert prunable(net, ["features.*", "features.block6*=0.3"]) == {
        "features.block1.conv": None, "features.block3.conv": None, "features.block6.conv": 0.3,
        "features.block10.conv": None,
    }  # fmt: skip
    with pytest.raises(RequestError, match=r"matches 'features.block2.conv' but depthwise ones, .* only if asked"):
        prunable(net, ["features.block2.conv"])
    with pytest.raises(RequestError, match=r"no layer to prune matches 'haed' \(closest: head\); there are 5"):
        prunable(net, ["haed"])
    with pytest.raises(RequestError, match=r"ReLU has no convolution or linear layer to prune"):
        prunable(nn.ReLU())


def test_a_layer_can_have_its_own_sparsity() -> None:
    net = nn.Sequential(linear(*range(1, 11)), linear(*range(1, 11)), linear(*range(1, 11)))
    own = pruner(net, "constant:0.5@begin=0", layers=("*", "1=0.8"))
    own.before_step(0)
    assert [int((layer.weight != 0).sum()) for layer in net] == [5, 2, 5]


def test_masks_in_a_state_dict_and_out_again() -> None:
    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2))
    mask = (torch.rand(2, 1, 3, 3) > 0.5).float()
    state = with_masks(net.state_dict(), {"0": mask})
    assert {"0.weight_orig", "0.weight_mask", "0.bias", "1.weight"} <= set(state)
    plain, masks = without_masks(state)
    assert list(plain) == list(net.state_dict())
    assert torch.equal(masks["0"], mask)
    pruned = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2))
    torch_prune.identity(pruned[0], "weight")  # torch's own pruning reads it
    pruned.load_state_dict(state)
    pruned[0](torch.zeros(1, 1, 3, 3))
    assert torch.equal(pruned[0].weight, net[0].weight * mask)


PRUNING = Pruning("polynomial:0.1->0.8@3..15", "4", layers=("features.*",))


def run(folder: Path, epochs: int = 4, pruning: Pruning | None = PRUNING, **more: object) -> None:
    options = Options(epochs=epochs, batch_size=8, seed=5, pruning=pruning)
    train(RECIPE, data(0), data(1, 12), folder, options, **more)  # type: ignore[arg-type]


class Stop(Watcher):
    """Stops a run from the keyboard after an epoch."""

    def __init__(self, after: int) -> None:
        self.after = after

    def end_epoch(self, epoch: object) -> None:
        if epoch.epoch == self.after:  # type: ignore[attr-defined]
            raise KeyboardInterrupt


def test_stopped_and_resumed_equals_uninterrupted(tmp_path: Path) -> None:
    run(tmp_path / "whole")
    for after in (1, 2, 3):  # masks grow until step 15, in the third epoch of six steps
        with pytest.raises(KeyboardInterrupt):
            run(tmp_path / "parts", resume=after > 1, watcher=Stop(after))
    run(tmp_path / "parts", resume=True)
    for name in ("epoch-0004.pt", "best.pt"):
        whole, parts = (read_checkpoint(tmp_path / part / name) for part in ("whole", "parts"))
        assert same(whole, parts), name
    masks = without_masks(whole["state_dict"])[1]
    weights = [w for n, w in build("vgg-strided", classes=3).state_dict().items() if n.endswith("conv.weight")]
    assert {name: int(m.sum()) for name, m in masks.items()} == {
        f"features.block{i}.conv": kept(w.numel(), 0.8) for i, w in enumerate(weights, start=1)
    }


SCRIPT = """
import os, signal, sys
from pathlib import Path
from rftools.models.training.progress import Watcher
from tests.models.test_pruning import run

class Killed(Watcher):
    def step(self, progress):
        if progress.epoch == 3:
            os.kill(os.getpid(), signal.SIGKILL)

run(Path(sys.argv[1]), watcher=Killed())
"""


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL is not known there")
def test_killed_and_resumed_equals_uninterrupted(tmp_path: Path) -> None:
    run(tmp_path / "whole")
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(tmp_path / "run")], env=environment(), check=False, timeout=300
    )
    assert done.returncode == -signal.SIGKILL
    assert not (tmp_path / "run" / "epoch-0003.pt").exists()
    run(tmp_path / "run", resume=True)
    assert same(*(read_checkpoint(tmp_path / part / "epoch-0004.pt") for part in ("whole", "run")))


def test_the_best_checkpoint_is_one_that_is_pruned_to_the_end(tmp_path: Path) -> None:
    run(tmp_path)
    best = read_checkpoint(tmp_path / "best.pt")
    furthest = max(entry["sparsity"] for entry in best["history"])
    assert best["history"][-1]["sparsity"] == furthest == pytest.approx(0.8, abs=1e-3)
    held_out = data(1, 12)
    with torch.no_grad():  # the net that the file gives is the one that was measured
        answers = rf.load(tmp_path / "best.pt").module(held_out.images.float() / 255).argmax(1)
    assert float((answers == held_out.labels).float().mean()) == pytest.approx(best["history"][-1]["val_accuracy"])
    plain, masks = without_masks(best["state_dict"])
    assert not any(bool(plain[f"{name}.weight"][mask == 0].any()) for name, mask in masks.items())
    before = read_checkpoint(tmp_path / "epoch-0000.pt")
    assert not without_masks(before["state_dict"])[1]  # pruning has not begun


def test_resuming_with_another_schedule_is_refused(tmp_path: Path) -> None:
    run(tmp_path, epochs=1)
    other = Pruning("polynomial:0.1->0.7@3..15", "4", layers=("features.*",))
    with pytest.raises(
        RequestError, match=r"was begun with --prune polynomial:0.1->0.8@3..15, not polynomial:0.1->0.7"
    ):
        run(tmp_path, pruning=other, resume=True)


@pytest.mark.parametrize(
    ("first", "second", "message"),
    [
        (None, PRUNING, "was begun without --prune, not with --prune polynomial:0.1->0.8@3..15"),
        (PRUNING, None, "was begun with --prune polynomial:0.1->0.8@3..15, not without it"),
        (PRUNING, replace(PRUNING, every="3"), "was begun with --prune-every 4, not 3"),
        (PRUNING, replace(PRUNING, layers=()), "was begun with --prune-layers features.*, not without it"),
        (PRUNING, replace(PRUNING, scope="global"), "was begun with --prune-scope layer, not global"),
    ],
)  # fmt: skip
def test_resuming_with_other_pruning_is_one_line(
    first: Pruning | None, second: Pruning | None, message: str, tmp_path: Path
) -> None:
    run(tmp_path, epochs=1, pruning=first)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*.*") if path.is_file()}
    with pytest.raises(RequestError, match=re.escape(message)) as told:
        run(tmp_path, pruning=second, resume=True)
    assert "\n" not in str(told.value)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*.*") if path.is_file()} == before


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        (Pruning("constant:25@begin=0"), r"sparsity 25 is no share from 0 to 1; for 25 % write 0.25"),
        (Pruning("constant:25%@begin=0"), r"sparsity 25% is no share from 0 to 1; for 25 % write 0.25"),
        (Pruning("constant:-0.1@begin=0"), r"sparsity -0.1 lies outside 0 to 1"),
        (Pruning("constant:nan@begin=0"), r"sparsity nan lies outside 0 to 1"),
        (Pruning("polynomial:0->101@0..9"), r"sparsity 101 lies outside 0 to 1"),
        (Pruning("constant:half@begin=0"), r"sparsity 'half' is no number; it takes a share from 0 to 1"),
        (Pruning("constant:0.5@begin=0", keep=0.5), r"has a sparsity \(0.5\) and --keep is 0.5; give one of them"),
        (Pruning("constant@begin=0", keep=25), r"--keep 25 is no share from 0 to 1; for 25 % write 0.25"),
        (Pruning("constant@begin=0"), r"has no sparsity, and there is no --keep"),
        (Pruning("polynomal:0->0.5@0..9"), r"no schedule 'polynomal.*' \(closest: polynomial\); write constant:"),
        (Pruning("constant:0.5"), r"no schedule 'constant:0.5'; write constant:SPARSITY@begin=T"),
        (Pruning("polynomial:0->0.5@begin=3"), r"does not say when; write"),
        (Pruning("polynomial:0.5@0..9"), r"has 1 sparsities; write"),
        (Pruning("constant:0.5@begin=two"), r"begin 'two' is no time: steps as 200, epochs as 2e"),
        (Pruning("constant:0.5@9..3"), r"ends \(step 3\) before it begins \(step 9\)"),
        (Pruning("constant:0.5@begin=0", every="0"), r"--prune-every is 0; it takes a whole number of steps from 1"),
        (Pruning("constant:0.5@begin=0", scope="net"), r"no scope 'net'; there are layer and global"),
        (
            Pruning("constant:0.5@begin=0", scope="global", layers=("head=0.3",)),
            r"a global threshold has one sparsity for all",
        ),
    ],
)
def test_bad_schedules_are_told_in_one_line(request_: Pruning, message: str) -> None:
    with pytest.raises(RequestError, match=message) as error:
        Options(pruning=request_).check()
    assert "\n" not in str(error.value)


def test_bad_requests_of_a_training(tmp_path: Path) -> None:
    late = Pruning("constant:0.5@begin=3e")
    with pytest.raises(RequestError, match=r"begins at step 18, but training ends after 18 steps \(6 an epoch\)"):
        run(tmp_path / "late", epochs=3, pruning=late)
    with pytest.raises(RequestError, match=r"no layer to prune matches 'stem\*'"):
        run(tmp_path / "nothing", pruning=Pruning("constant:0.5@begin=0", layers=("stem*",)))


def test_shares_are_read_exactly() -> None:
    assert [parse_share(text) for text in ("0", "1", "0.25", " .5 ", 1.0)] == [0, 1, 0.25, 0.5, 1]


def command(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    status = 0
    try:
        main(["train", "rftools:vgg-strided", "--data", "patches", *arguments])
    except SystemExit as stop:
        status = int(stop.code or 0)
    return status, capsys.readouterr().err


def test_the_log_says_both_sparsity_and_what_is_kept(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    status, log = command(
        capsys, "-o", str(tmp_path / "run"), "--epochs", "1", "--steps-per-epoch", "3", "--prune", "constant@begin=1",
        "--keep", "0.25", "--prune-every", "1",
    )  # fmt: skip
    assert status == 0
    assert "sparsity 0.75 (set to zero), keep 0.25\n" in log
    assert "constant from step 1 (epoch 0.333333) on, every 1 steps; an epoch has 3\n" in log
    assert "sparsity 0.750, keep 0.250" in log


def test_options_that_prune_nothing_are_refused(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    status, log = command(capsys, "-o", str(tmp_path / "run"), "--keep", "0.25")
    assert (status, log.count("\n")) == (2, 1)
    assert log.startswith("rftools: error: --keep prunes nothing without --prune SCHEDULE")
    assert not (tmp_path / "run").exists()
