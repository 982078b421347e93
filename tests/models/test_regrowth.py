"""Masks that grow back: counts that stay, who goes and who comes, runs that resume bit for bit."""

import pytest
import torch
from torch import nn

from rftools.errors import RequestError
from rftools.models import build
from rftools.models.data import Dataset
from rftools.models.training import Options, Recipe, train
from rftools.models.training.pruning import make_pruner
from rftools.models.training.schedules import Pruning

KINDS = ("set:0.75@begin=0", "rigl:0.75@0..100", "movement:0.0->0.75@0..8")


def pruner(module: nn.Module, schedule: str, every: int = 1):
    return make_pruner(module, Pruning(schedule, every=str(every)), per_epoch=10, total=1000)


def stepped(own, layer: nn.Linear, step: int) -> None:
    """A step of plain descent on the sum of squares of what the layer gives random inputs."""
    own.before_step(step)
    layer.zero_grad()
    layer(torch.randn(16, layer.in_features)).square().sum().backward()
    with torch.no_grad():
        for p in layer.parameters():
            p -= 1e-3 * p.grad


@pytest.mark.parametrize("schedule", KINDS[:2])
def test_survivors_keep_their_count_and_change(schedule):
    torch.manual_seed(0)
    layer = nn.Linear(16, 12)
    own = pruner(nn.Sequential(layer), schedule, every=5)
    masks = []
    for step in range(26):
        stepped(own, layer, step)
        masks.append(own.masks["0"].clone())
    assert {int(mask.sum()) for mask in masks} == {48}
    assert not torch.equal(masks[0], masks[-1])
    assert all(torch.equal(masks[t], masks[t - t % 5]) for t in range(26))


def test_rigl_brings_back_where_the_gradient_is_largest():
    """By hand: 4 of 16 survive, 30 % of them rounds to one; the smallest goes, the steepest zero comes."""
    torch.manual_seed(0)
    layer = nn.Linear(16, 1, bias=False)
    own = pruner(nn.Sequential(layer), "rigl:0.75@0..100", every=1)
    own.before_step(0)
    first = own.masks["0"].clone().bool().flatten()
    with torch.no_grad():
        layer.weight.copy_(first * torch.arange(1.0, 17.0))
    layer.weight.grad = torch.arange(16.0).reshape(1, 16).neg()
    own.before_step(1)
    second = own.masks["0"].bool().flatten()
    gone, come = (first & ~second).nonzero().flatten(), (second & ~first).nonzero().flatten()
    assert gone.tolist() == [int(first.nonzero().min())]
    assert come.tolist() == [int((~first).nonzero().max())]
    assert float(layer.weight.detach().flatten()[come]) == 0.0


def test_movement_keeps_what_moves_away_from_zero_whatever_its_size():
    layer = nn.Linear(4, 1, bias=False)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[5.0, 0.1, -4.0, -0.2]]))
    own = pruner(nn.Sequential(layer), "movement:0.0->0.5@0..1")
    own.before_step(0)
    layer.weight.grad = torch.tensor([[1.0, -1.0, -1.0, 1.0]])  # descent shrinks 5 and -4, and lets 0.1 and -0.2 grow
    own.before_step(1)
    assert own.masks["0"].tolist() == [[0.0, 1.0, 0.0, 1.0]]
    layer.weight.grad = torch.tensor([[-9.0, 0.0, 0.0, 0.0]])  # the held 5 would grow: it comes back as it was
    own._follow(2)
    own.renew(2)
    own.apply()
    assert layer.weight[0, 0].item() == 5.0


def data(count: int) -> Dataset:
    draw = torch.Generator().manual_seed(count)
    images = torch.randint(0, 256, (count, 3, 16, 16), dtype=torch.uint8, generator=draw)
    return Dataset("noise", images, torch.arange(count) % 2, ("a", "b"))


@pytest.mark.parametrize("schedule", KINDS)
def test_a_resumed_run_is_the_whole_one(schedule, tmp_path):
    recipe = Recipe({"name": "gap-plain", "arguments": {}}, lambda: build("gap-plain", classes=2))
    pruning = Pruning(schedule, every="2")

    def weights(run: str, epochs: tuple[int, ...]) -> dict[str, torch.Tensor]:
        for number, length in enumerate(epochs):
            options = Options(epochs=length, batch_size=4, device="cpu", pruning=pruning)
            train(recipe, data(12), data(4), tmp_path / run, options, resume=number > 0)
        return torch.load(tmp_path / run / f"epoch-{epochs[-1]:04d}.pt", weights_only=True)["state_dict"]

    whole, parts = weights("whole", (3,)), weights("parts", (1, 2, 3))
    assert whole.keys() == parts.keys()
    assert all(torch.equal(whole[name], parts[name]) for name in whole)


def test_words_that_make_no_sense():
    with pytest.raises(RequestError, match="does not say when"):
        Pruning("rigl:0.9@begin=3").check()
    with pytest.raises(RequestError, match="a threshold a layer"):
        Pruning("set:0.9@begin=3", scope="global").check()
