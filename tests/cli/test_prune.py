"""Pruning a trained net: every selection against brute force, and the command from checkpoint to analysis."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.utils import prune as torch_prune

import rftools as rf
from rftools.cli import main
from rftools.errors import RequestError
from rftools.models import build, read_checkpoint
from rftools.models.training.masks import kept
from rftools.pruning import Pictures, Request, prune, save_pruned
from rftools.pruning.balance import balanced, pooled_anisotropy
from rftools.pruning.field import best_spanning, sides, spanning_counts
from rftools.pruning.layout import from_kernels, to_kernels
from rftools.pruning.scores import scores_of
from rftools.weights.statistics.shapes import spans_box
from tests.loading.test_loading import checkpoint


def net(seed: int = 1) -> nn.Sequential:
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(8, 6, 5, groups=2),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(384, 4),
    )


LAYERS = ("0", "2", "5")


def masks(module: nn.Sequential) -> dict[str, torch.Tensor]:
    return {name: module[int(name)].weight.detach() != 0 for name in LAYERS}


@pytest.mark.parametrize("sparsity", [0.1, 0.5, 0.9])
def test_magnitude_is_torchs_l1(sparsity: float) -> None:
    ours, theirs = net(), net()
    prune(ours, Request(sparsity=sparsity))
    for name in LAYERS:
        layer = theirs[int(name)]
        amount = layer.weight.numel() - kept(layer.weight.numel(), sparsity)
        torch_prune.l1_unstructured(layer, "weight", amount=amount)
        assert torch.equal(masks(ours)[name], layer.weight_mask.bool())


def test_a_global_threshold_is_torchs() -> None:
    ours, theirs = net(), net()
    cut = prune(ours, Request(sparsity=0.7, scope="global"))
    weights = [(theirs[int(name)], "weight") for name in LAYERS]
    torch_prune.global_unstructured(
        weights, torch_prune.L1Unstructured, amount=cut.result.weights - kept(cut.result.weights, 0.7)
    )
    assert all(torch.equal(masks(ours)[name], theirs[int(name)].weight_mask.bool()) for name in LAYERS)


def test_within_a_kernel_and_within_a_filter() -> None:
    ours, before = net(), net()
    cut = prune(ours, Request(sparsity=0.75, method="per-kernel"))
    for name, taps, left in (("0", 9, 2), ("2", 25, 6)):  # 2.25 and 6.25 of a kernel
        sizes = before[int(name)].weight.detach().abs().reshape(-1, taps)
        for size, mask in zip(sizes, masks(ours)[name].reshape(-1, taps), strict=True):
            assert set(mask.nonzero().ravel().tolist()) == set(size.topk(left).indices.tolist())
    assert cut.result["5"].note == "left as it is: one tap a kernel, nothing to compare within"
    assert bool(masks(ours)["5"].all())
    ours = net()
    prune(ours, Request(sparsity=0.75, scope="filter"))
    for name in LAYERS:
        rows = masks(ours)[name].flatten(1)
        sizes = before[int(name)].weight.detach().abs().flatten(1)
        for mask, size in zip(rows, sizes, strict=True):
            left = kept(len(size), 0.75)
            assert set(mask.nonzero().ravel().tolist()) == set(size.topk(left).indices.tolist())


@pytest.mark.parametrize("taps", [1, 2, 4])
def test_at_most_so_many_taps_and_the_largest_of_them(taps: int) -> None:
    ours, before = net(), net()
    cut = prune(ours, Request(taps=taps))
    assert cut.result["0"].taps == tuple(24 if n == taps else 0 for n in range(10))
    sizes = before[0].weight.detach().abs().reshape(-1, 9)
    assert torch.equal(masks(ours)["0"].reshape(-1, 9).sum(1), torch.full((24,), taps))
    smallest_left = torch.where(masks(ours)["0"].reshape(-1, 9), sizes, torch.inf).min(1).values
    largest_gone = torch.where(masks(ours)["0"].reshape(-1, 9), 0, sizes).max(1).values
    assert bool((smallest_left > largest_gone).all())
    both = net()
    prune(both, Request(taps=taps, sparsity=0.95))
    assert int(masks(both)["0"].reshape(-1, 9).sum(1).max()) <= taps
    assert int(masks(both)["0"].sum()) == kept(216, 0.95)


def test_zeros_that_were_there_stay_and_count() -> None:
    twice, once = net(), net()
    prune(twice, Request(sparsity=0.3, method="random"))
    first = masks(twice)
    cut = prune(twice, Request(sparsity=0.5))
    assert all(bool((first[name] >= masks(twice)[name]).all()) for name in LAYERS)
    assert [row.kept for row in cut.result] == [kept(row.weights, 0.5) for row in cut.result]
    prune(once, Request(sparsity=0.9))
    cut = prune(once, Request(sparsity=0.5))  # asks for less than is gone already
    assert [row.kept for row in cut.result] == [kept(row.weights, 0.9) for row in cut.result]


def test_random_depends_on_the_seed_alone() -> None:
    found = []
    for seed in (0, 0, 1):
        module = net()
        prune(module, Request(sparsity=0.5, method="random", seed=seed))
        found.append(masks(module)["2"])
    assert torch.equal(found[0], found[1])
    assert not torch.equal(found[0], found[2])
    share = float((found[0] == found[2]).float().mean())
    assert abs(share - 0.5) < 5 * 0.5 / math.sqrt(found[0].numel())


def test_gradient_scores_are_the_loss_s_derivative() -> None:
    module = net().double()
    inputs, labels = torch.rand(5, 3, 12, 12, dtype=torch.float64), torch.tensor([0, 1, 2, 3, 1])
    layers = {name: module[int(name)] for name in LAYERS}
    for given in (labels, None):
        answers = module(inputs).argmax(1) if given is None else given
        scores = scores_of(module, layers, "gradient", 0, Pictures(inputs, given, "made up", batch_size=2))
        for name, place in (("0", (2, 1, 0, 2)), ("2", (4, 3, 1, 1)), ("5", (1, 77))):
            weight = module[int(name)].weight.data
            value, losses = float(weight[place]), []
            for change in (1e-6, -1e-6):
                weight[place] = value + change
                losses.append(nn.functional.cross_entropy(module(inputs), answers).item())
            weight[place] = value
            derivative = (losses[0] - losses[1]) / 2e-6
            own = from_kernels(module[int(name)], scores[name])[place]
            assert float(own) == pytest.approx(abs(value * derivative), rel=1e-4, abs=1e-10)


@pytest.mark.parametrize(
    "layer",
    [
        nn.Conv2d(4, 6, 3, padding=1, bias=False),
        nn.Conv2d(4, 6, (3, 2), stride=2, dilation=(1, 2), groups=2),
        nn.Conv2d(4, 4, 3, padding=2, groups=4),
    ],
)
def test_wanda_on_convolutions_is_wanda_on_their_patches(layer: nn.Conv2d) -> None:
    inputs = torch.randn(20, 4, 9, 8)
    scores = scores_of(nn.Sequential(layer), {"0": layer}, "wanda", 0, Pictures(inputs, None, "made up"))["0"]
    patches = nn.functional.unfold(inputs, layer.kernel_size, layer.dilation, layer.padding, layer.stride)
    norms = patches.square().sum((0, 2)).sqrt().reshape(layer.groups, 4 // layer.groups, -1)
    for out in range(layer.out_channels):
        group = out // (layer.out_channels // layer.groups)
        expected = layer.weight[out].detach().abs().flatten(1) * norms[group]
        torch.testing.assert_close(scores[out].float(), expected)


def test_wanda_on_linear_and_transposed_layers() -> None:
    linear, inputs = nn.Linear(7, 3), torch.randn(30, 7)
    found = scores_of(nn.Sequential(linear), {"0": linear}, "wanda", 0, Pictures(inputs, None, "made up"))["0"]
    torch.testing.assert_close(found[..., 0].float(), linear.weight.detach().abs() * inputs.norm(dim=0))
    layer, inputs = nn.ConvTranspose1d(4, 6, 3, stride=2, padding=1, groups=2), torch.randn(3, 4, 5)
    found = scores_of(nn.Sequential(layer), {"0": layer}, "wanda", 0, Pictures(inputs, None, "made up"))["0"]
    length = layer(inputs).shape[-1]
    for channel, out, tap in itertools.product(range(4), range(3), range(3)):
        places = [i for i in range(5) if 0 <= 2 * i + tap - 1 < length]  # the inputs that this tap meets
        norm = float(inputs[:, channel, places].norm())
        row = channel // 2 * 3 + out
        score = float(found[row, channel % 2, tap])
        assert score == pytest.approx(norm * abs(float(layer.weight[channel, out, tap].detach())), rel=1e-5)


def test_layouts_go_there_and_back() -> None:
    for layer in (nn.Conv3d(4, 6, 2, groups=2), nn.ConvTranspose2d(4, 6, (2, 3), groups=2), nn.Linear(3, 2)):
        weight = layer.weight.detach()
        assert torch.equal(from_kernels(layer, to_kernels(layer, weight)), weight)


def brute_spanning(scores: np.ndarray, count: int, kernel: tuple[int, ...]) -> float:
    best = -math.inf
    for chosen in itertools.combinations(range(scores.size), count):
        mask = np.zeros((1, scores.size), dtype=bool)
        mask[0, list(chosen)] = True
        if spans_box(mask, kernel)[0]:
            best = max(best, float(scores[list(chosen)].sum()))
    return best


@pytest.mark.parametrize("kernel", [(3, 3), (2, 2), (2, 4), (1, 5), (4,), (2, 2, 3), (5, 3)])
def test_the_best_set_that_spans_the_box_is_found(kernel: tuple[int, ...]) -> None:
    draw = np.random.default_rng(len(kernel) * 10 + sum(kernel))
    scores = draw.random((12, math.prod(kernel)))
    scores[draw.random(scores.shape) < 0.2] = -np.inf
    for count in range(1, 5):
        found = best_spanning(scores, np.full(12, count), kernel)
        for row, mask in zip(scores, found, strict=True):
            best = brute_spanning(row, count, kernel)
            assert (float(row[mask].sum()) if mask.any() else -math.inf) == pytest.approx(best)
            assert int(mask.sum()) in ({count} if math.isfinite(best) else {0})


def test_how_many_sets_span_the_box_of_nine_taps() -> None:
    on = sides((3, 3)).astype(int)
    counts = []
    for taps in range(2, 9):
        sets = [np.array(chosen) for chosen in itertools.combinations(range(9), taps)]
        counts.append(sum(bool((on[chosen].sum(0) > 0).all()) for chosen in sets))
    assert counts == [2, 22, 70, 102, 80, 36, 9]


def test_single_taps_pair_up_where_the_box_is_kept() -> None:
    counts = np.array([1, 1, 1, 1, 4, 0])
    assert spanning_counts(counts, np.array([1.0, 4, 3, 2, 9, 0])).tolist() == [0, 2, 2, 0, 4, 0]


@pytest.mark.parametrize("request_", [Request(taps=2), Request(taps=3, balance=True), Request(sparsity=0.9)])
def test_kernels_that_are_left_keep_their_box(request_: Request) -> None:
    import dataclasses

    module = net()
    cut = prune(module, dataclasses.replace(request_, keep_field="kernel"))
    for name in ("0", "2"):
        kernel = tuple(module[int(name)].kernel_size)
        flat = masks(module)[name].reshape(-1, math.prod(kernel)).numpy()
        assert bool(spans_box(flat[flat.any(1)], kernel).all())
        if request_.taps is not None:
            assert set(flat.sum(1)) == {request_.taps}
        else:
            assert abs(int(flat.sum()) - kept(flat.size, 0.9)) <= 1
    assert cut.result["0"].taps[1] == 0


def test_a_layer_keeps_its_box() -> None:
    module = nn.Sequential(nn.Conv2d(1, 4, 3))
    module[0].weight.data = torch.full((4, 1, 3, 3), 0.01)
    module[0].weight.data[:, 0, 1, 1] = 9
    prune(module, Request(taps=1))
    assert not spans_box(masks_of(module).any(0, keepdims=True), (3, 3))[0]
    module[0].weight.data = torch.full((4, 1, 3, 3), 0.01)
    module[0].weight.data[:, 0, 1, 1] = 9
    prune(module, Request(sparsity=0.8, keep_field="layer"))
    assert spans_box(masks_of(module).any(0, keepdims=True), (3, 3))[0]
    assert int(masks_of(module).sum()) == kept(36, 0.8)


def masks_of(module: nn.Sequential) -> np.ndarray:
    flat: np.ndarray = (module[0].weight.detach() != 0).reshape(-1, 9).numpy()
    return flat


def some_masks(kernel: tuple[int, ...], shape: tuple[int, int], taps: int) -> tuple[np.ndarray, np.ndarray]:
    draw = np.random.default_rng(7)
    scores = draw.random((*shape, math.prod(kernel)))
    order = np.argsort(-scores, axis=-1)
    mask = np.zeros(scores.shape, dtype=bool)
    np.put_along_axis(mask, order[..., :taps], True, axis=-1)
    return mask, scores


@pytest.mark.parametrize("kernel", [(3, 3), (5, 5), (2, 3)])
@pytest.mark.parametrize("taps", [2, 3, 4])
def test_balance_keeps_to_its_limits(kernel: tuple[int, int], taps: int) -> None:
    mask, scores = some_masks(kernel, (6, 10), taps)
    pinned = mask & (np.random.default_rng(3).random(mask.shape) < 0.2)
    after = balanced(mask, scores, kernel, (1.0, 2.0), near=0.8, pinned=pinned)
    step = (1.0, 2.0)
    before_a, after_a = (pooled_anisotropy(m, kernel, step) for m in (mask, after))
    assert (after_a <= before_a + 1e-12).all()
    assert after_a.mean() < (0.9 if kernel == (2, 3) else 0.5) * before_a.mean()  # a 2 x 3 box is long itself
    assert np.array_equal(after.sum(-1), mask.sum(-1))
    kept_scores = np.where(after, scores, 0).sum(-1) / np.where(mask, scores, 0).sum(-1)
    assert kept_scores.min() >= 0.8 - 1e-9
    assert kept_scores.min() < 1
    assert after[pinned].all()
    nothing = balanced(mask, scores, kernel, step, near=1.0)
    assert np.array_equal(nothing, mask)  # no other set of distinct scores is as good


def test_balance_against_every_choice_there_is() -> None:
    mask, scores = some_masks((3, 3), (8, 2), 2)
    sets = np.zeros((36, 9), dtype=bool)
    sets[np.arange(36)[:, None], np.array(list(itertools.combinations(range(9), 2)))] = True
    after = balanced(mask, scores, (3, 3), (1.0, 1.0), near=0.7)
    hits = 0
    for row in range(8):
        near = [
            [own for own in sets if scores[row, k][own].sum() >= 0.7 * scores[row, k][mask[row, k]].sum()]
            for k in (0, 1)
        ]
        every = [pooled_anisotropy(np.stack(pair)[None], (3, 3), (1.0, 1.0))[0] for pair in itertools.product(*near)]
        found = pooled_anisotropy(after[row : row + 1], (3, 3), (1.0, 1.0))[0]
        assert found >= min(every) - 1e-12
        hits += found <= min(every) + 0.05
    assert hits >= 6  # one exchange at a time comes to the best, or near it, for most


def test_the_anisotropy_is_that_of_rftools_orientation() -> None:
    module = net()
    cut = prune(module, Request(taps=3))
    assert cut.result["0"].anisotropy == pytest.approx(rf.orientation(module)["0"].filter_anisotropy)
    balanced_ = net()
    after = prune(balanced_, Request(taps=3, balance=True))
    row = rf.orientation(balanced_)["2"]
    assert after.result["2"].anisotropy == pytest.approx(row.filter_anisotropy)
    assert row.filter_anisotropy < 0.2 * cut.result["2"].anisotropy
    assert after.result.kept == cut.result.kept


def test_layers_by_pattern_and_with_their_own_sparsity() -> None:
    module = net()
    cut = prune(module, Request(sparsity=0.5, layers=("[02]", "2=0.9")))
    assert [(row.name, row.kept) for row in cut.result] == [("0", 108), ("2", kept(600, 0.9))]
    assert bool(masks(module)["5"].all())


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    status = 0
    try:
        main(["prune", *arguments])
    except SystemExit as stop:
        status = int(stop.code or 0)
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def test_a_checkpoint_pruned_by_the_command(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    source, target = checkpoint(tmp_path / "net.pt"), tmp_path / "pruned.pt"
    status, out, err = run(capsys, str(source), "--keep", "0.1", "-o", str(target))
    assert status == 0
    content, before = read_checkpoint(target), read_checkpoint(source)["state_dict"]
    weights = sum(v.numel() for n, v in before.items() if n.endswith(("conv.weight", "head.weight")))
    left = sum(kept(v.numel(), 0.9) for n, v in before.items() if n.endswith(("conv.weight", "head.weight")))
    parameters = 25_474 - 7 * 49  # three classes for ten
    assert err == (
        "net.pt: rftools:vgg-dilated, epoch 2, 3 classes\n"
        f"sparsity {1 - left / weights:.3f} (set to zero), keep {left / weights:.3f}: {left} of {weights} weights\n"
        f"{parameters - weights + left} of {parameters} parameters remain "
        f"(biases and norms are not pruned)\nwrote {target}\n"
    )
    assert out.splitlines()[-1].split("\t")[:3] == ["(total)", str(weights), str(left)]
    state = content["state_dict"]
    for name, value in before.items():
        if f"{name}_orig" in state:
            assert torch.equal(state[f"{name}_orig"], value)
            torch_mask = torch_prune.L1Unstructured(amount=0.9).compute_mask(value, torch.ones_like(value))
            assert int(state[f"{name}_mask"].sum()) == kept(value.numel(), 0.9)
            assert int((torch_mask != state[f"{name}_mask"]).sum()) <= 1  # torch rounds the share that goes
        else:
            assert torch.equal(state[name], value)
    loaded = rf.load(target)
    zeros = rf.sparsity(loaded)
    assert zeros.total.zeros == weights - left == rf.sparsity(target).total.zeros
    assert {row.zero_kind for row in zeros} == {"mask"}
    assert zeros["features.block2.conv"].taps == tuple(json_rows(target, capsys)["features.block2.conv"]["taps"])
    assert rf.orientation(target)["features.block2.conv"].kernels == sum(zeros["features.block2.conv"].taps[1:])


def json_rows(source: Path, capsys: pytest.CaptureFixture[str]) -> dict[str, dict[str, list[int]]]:
    """What the command says of a net that is pruned to 0.9 already, asked for 0.9 again."""
    _, out, _ = run(capsys, str(source), "--sparsity", "0.9", "--json", "-", "-o", str(source.parent / "again.pt"))
    return {layer["name"]: layer for layer in json.loads(out)["layers"]}


def test_other_tools_and_our_own_analyses_read_it(tmp_path: Path) -> None:
    target = tmp_path / "pruned.pt"
    cut = prune(rf.load(checkpoint(tmp_path / "net.pt")), Request(taps=2, keep_field="kernel"))
    save_pruned(target, cut, Request(taps=2, keep_field="kernel"))
    module = build("vgg-dilated", classes=3).eval()
    for name in cut.masks:
        torch_prune.identity(module.get_submodule(name), "weight")
    state = torch.load(target, weights_only=True)["state_dict"]
    module.load_state_dict(state)
    picture = torch.rand(2, 3, 32, 32)
    assert torch.equal(module(picture), rf.load(target).module(picture))
    field = rf.theoretical(rf.load(target), surviving=True)["features.block4.conv"]
    assert [field.surviving.sizes, field.axes[0].size] == [
        (31, 31),
        31,
    ]  # each kernel spans its box, so all of it is left
    assert rf.effective(rf.load(target), layers=["features.block4.conv"], count=2)["features.block4.conv"].images == 2
    (tmp_path / "bare.pt").unlink(missing_ok=True)
    torch.save(state, tmp_path / "bare.pt")
    assert rf.sparsity(tmp_path / "bare.pt").total.zeros == cut.result.weights - cut.result.kept


def test_a_net_of_torchvision(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    target = tmp_path / "pruned.pt"
    status, _, err = run(capsys, "torchvision:mobilenet_v3_small", "--sparsity", "0.8", "-o", str(target))
    left = "left alone: features.1.block.0.0, features.2.block.1.0, features.3.block.1.0 and 8 more, 58584 weights "
    assert status == 0
    assert err.splitlines()[-3:] == [
        f"wrote {target}", "weights: random, seed 0", f"{left}(depthwise kernels are pruned only if asked)"
    ]  # fmt: skip
    result = rf.sparsity(target)
    apart = [row for row in result if row.shape[1:] == (1, 3, 3) or row.shape[1:] == (1, 5, 5)]
    assert len(apart) == 11  # its depthwise kernels
    assert all(row.zeros == 0 for row in apart)
    pruned = [row for row in result if row not in apart]
    assert sum(row.zeros for row in pruned) / sum(row.weights for row in pruned) == pytest.approx(0.8, abs=1e-4)
    assert read_checkpoint(target)["arch"] == {"name": "torchvision:mobilenet_v3_small", "arguments": {}}
    cut = prune(rf.load("torchvision:mobilenet_v3_small"), Request(sparsity=0.8, depthwise=True))
    assert len(cut.result) == len(pruned) + 11


@pytest.mark.parametrize("method", ["gradient", "wanda"])
def test_scores_by_the_checkpoints_own_data_or_by_images(
    method: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    source = str(checkpoint(tmp_path / "net.pt", classes=[str(i) for i in range(8)],
                            arch={"name": "vgg-dilated", "arguments": {"classes": 8, "channels": 3}},
                            state_dict=build("vgg-dilated", classes=8).state_dict()))  # fmt: skip
    arguments = (source, "--sparsity", "0.9", "--method", method, "--count", "8", "--json", "-")
    status, out, err = run(capsys, *arguments, "-o", str(tmp_path / "own.pt"))
    assert status == 0
    assert err.startswith("net.pt: rftools:vgg-dilated, epoch 2, 8 classes\nimages: patches (8 of 3200)\n")
    assert json.loads(out)["pictures"] == "patches (8 of 3200)"
    status, out, _ = run(capsys, *arguments, "--images", "white", "-o", str(tmp_path / "noise.pt"))
    assert (status, json.loads(out)["pictures"]) == (0, "white noise")
    state = {
        n: read_checkpoint(tmp_path / n)["state_dict"]["features.block3.conv.weight_mask"]
        for n in ("own.pt", "noise.pt")
    }
    assert int(state["own.pt"].sum()) == int(state["noise.pt"].sum()) == pytest.approx(691, abs=32)
    assert not torch.equal(*state.values())


def test_finetuning_leaves_masks_and_moves_weights(tmp_path: Path) -> None:
    from rftools.models.training.loop import finetune
    from rftools.models.training.options import Options
    from rftools.pruning.cut import with_history
    from tests.models.test_training import data

    found = []
    for _ in range(2):
        torch.manual_seed(2)
        module = build("vgg-strided", classes=3)
        cut = prune(rf.Model(module, "strided", "strided", (3, 12, 12)), Request(sparsity=0.8))
        before = {name: weight * cut.masks[name] for name, weight in cut.original.items()}
        history = finetune(module, cut.masks, data(0), data(1, 12), Options(epochs=2, batch_size=8))
        after = with_history(cut, tuple(vars(epoch) for epoch in history))
        for name, mask in cut.masks.items():
            assert not bool(module.get_submodule(name).weight[~mask].any())
            assert not torch.equal(after.original[name], before[name])
        assert [epoch.sparsity for epoch in history] == [pytest.approx(cut.result.sparsity)] * 2
        assert history[1].loss < history[0].loss
        found.append(module.state_dict())
    assert all(torch.equal(found[0][name], found[1][name]) for name in found[0])


def test_the_command_finetunes(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from rftools.models import data as data_module
    from tests.models.test_training import data

    monkeypatch.setattr(data_module, "load_data", lambda name, split, **_: data(0 if split == "train" else 1))
    source = checkpoint(tmp_path / "net.pt", input_size=[3, 12, 12])
    status, out, err = run(
        capsys, str(source), "--taps", "3", "--finetune", "1", "-o", str(tmp_path / "pruned.pt"), "--json", "-"
    )
    assert status == 0
    assert "epoch 1: loss" in err
    (epoch,) = json.loads(out)["finetuning"]
    content = read_checkpoint(tmp_path / "pruned.pt")
    assert content["epoch"] == 3
    assert content["pruning"]["finetuning"][0]["loss"] == epoch["loss"]
    assert rf.sparsity(tmp_path / "pruned.pt").total.zeros == json.loads(out)["weights"] - json.loads(out)["kept"]


def dying() -> nn.Sequential:
    module = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Conv2d(2, 2, 3))
    module[1].weight.data *= 1e-3
    return module


def test_a_layer_that_would_die_is_named() -> None:
    with pytest.raises(RequestError, match=r"^pruning would leave no weight in 1: prune less, .* --allow-dead-layers$"):
        prune(dying(), Request(sparsity=0.9, scope="global"))
    module = dying()
    prune(module, Request(sparsity=0.9, scope="global", allow_dead_layers=True))
    assert not bool(module[1].weight.any())
    with pytest.raises(RequestError, match=r"no weight in 0, 1: prune less"):
        prune(dying(), Request(sparsity=1.0))
    untouched = dying()
    before = untouched[0].weight.clone()
    with pytest.raises(RequestError):
        prune(untouched, Request(sparsity=1.0))
    assert torch.equal(untouched[0].weight, before)


BAD: list[tuple[tuple[str, ...], str]] = [
    (("--sparsity", "1.5"), "--sparsity 1.5 is no share from 0 to 1; for 1.5 % write 0.015"),
    (("--sparsity", "25"), "--sparsity 25 is no share from 0 to 1; for 25 % write 0.25"),
    (("--sparsity", "-1"), "--sparsity -1 lies outside 0 to 1; it is the share of weights, such as 0.9"),
    (("--keep", "75%"), "--keep 75% is no share from 0 to 1; for 75 % write 0.75"),
    (("--keep", "few"), "--keep 'few' is no number; it takes a share from 0 to 1, such as 0.9"),
    (
        ("--keep", "0.1", "--sparsity", "0.9"),
        "--sparsity 0.9 and --keep 0.1 say the same thing twice; give one of them",
    ),
    ((), "nothing says how much to prune; give --sparsity 0.9, --keep 0.1 or --taps 2"),
    (("--taps", "0"), "Invalid value for '--taps': 0 is not in the range 1<=x<=2147483647."),
    (
        ("--sparsity", "0.5", "--method", "magnitud"),
        "no method 'magnitud' (closest: magnitude); there are magnitude, random, per-kernel, gradient, wanda",
    ),
    (("--sparsity", "0.5", "--scope", "net"), "no scope 'net'; there are kernel, filter, layer, global"),
    (
        ("--sparsity", "0.5", "--method", "per-kernel", "--scope", "layer"),
        "method per-kernel compares within a kernel, not within --scope layer",
    ),
    (
        ("--taps", "1", "--keep-field"),
        "one tap spans no box: with --keep-field take --taps from 2, or --keep-field layer",
    ),
    (("--taps", "2", "--keep-field", "net"), "no keep-field 'net'; there are kernel, layer"),
    (
        ("--sparsity", "0.5", "--layers", "features.block5*"),
        "no layer to prune matches 'features.block5*' "
        "(closest: features.block4.conv, features.block3.conv, features.block2.conv); there are 5",
    ),
    (
        ("--sparsity", "1", "--layers", "head"),
        "pruning would leave no weight in head: prune less, take --scope layer, or say --allow-dead-layers",
    ),
    (
        ("--sparsity", "0.5", "--layers", "head", "--balance-orientation"),
        "no layer to prune has flat kernels, so no directions to balance; leave out --balance-orientation",
    ),
    (
        ("--taps", "2", "--layers", "head"),
        "every layer that matches has kernels of one tap; give --sparsity with --scope layer or filter",
    ),
    (
        ("--sparsity", "0.5", "--scope", "global", "--layers", "head=0.3"),
        "a global threshold has one sparsity for all; leave out =SPARSITY, or take scope layer",
    ),
    (
        ("--taps", "2", "--layers", "features*=0.3"),
        "layers have a sparsity of their own but the others none; give --sparsity or --keep too",
    ),
    (
        ("--sparsity", "0.5", "--method", "wanda", "--images", "missing"),
        "no such file or folder: missing; noise is white or pink, data patches, cifar10, cifar100, mnist5k",
    ),
]


@pytest.mark.parametrize(("arguments", "line"), BAD)
def test_bad_requests_are_one_line(
    arguments: tuple[str, ...], line: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    source = checkpoint(tmp_path / "net.pt")
    status, out, err = run(capsys, str(source), *arguments, "-o", str(tmp_path / "pruned.pt"))
    assert (status, out, err) == (2, "", f"rftools: error: {line}\n")
    assert not (tmp_path / "pruned.pt").exists()


def refused(call: Callable[[], object], message: str) -> None:
    with pytest.raises(RequestError, match=message):
        call()


def test_more_bad_requests(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    source = str(checkpoint(tmp_path / "net.pt"))
    _, _, err = run(capsys, source, "--sparsity", "0.5", "-o", str(tmp_path / "pruned.safetensors"))
    assert err == (
        "rftools: error: a pruned net is written as a checkpoint: -o takes .pt or .pth, not pruned.safetensors\n"
    )
    bad = net()
    bad[0].weight.data[0, 0] = torch.nan
    refused(lambda: prune(bad, Request(sparsity=0.5)), r"layer '0' has NaN values in its weight")
    refused(lambda: prune(nn.ReLU(), Request(sparsity=0.5)), r"ReLU has no convolution or linear layer to prune")
    refused(lambda: prune(net(), Request(sparsity=0.5, method="wanda")), r"method wanda scores weights by pictures")
    dark = Pictures(torch.zeros(1, 3, 12, 12), None, "made up")
    refused(
        lambda: prune(net(), Request(sparsity=0.5, method="wanda"), dark),
        r"wanda has nothing to go by in layer '0': it is not called, or all its inputs are 0; leave it out",
    )
    bright = Pictures(torch.full((1, 3, 12, 12), torch.inf), None, "made up")
    refused(
        lambda: prune(net(), Request(sparsity=0.5, method="gradient"), bright), r"gives layer '0' scores that are no"
    )
    small = Pictures(torch.zeros(1, 1, 12, 12), None, "made up")
    refused(
        lambda: prune(net(), Request(sparsity=0.5, method="wanda"), small), r"^the net does not take these pictures"
    )
    _, _, err = run(
        capsys, "rftools:vgg-dilated", "--sparsity", "0.5", "--method", "wanda", "-o", str(tmp_path / "a.pt")
    )
    assert err == (
        "rftools: error: vgg-dilated does not say what it was trained on; give --images FOLDER, FILE, white or pink\n"
    )
    _, _, err = run(capsys, "rftools:vgg-dilated", "--sparsity", "0.5", "--finetune", "1", "-o", str(tmp_path / "a.pt"))
    assert "--finetune goes on with the recipe of `rftools train`; it takes a checkpoint of that" in err
