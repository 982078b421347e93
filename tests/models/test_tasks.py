"""Tasks made by rule: labels follow from the pixels alone, at the distances that are said; nets learn from them."""

import numpy as np
import pytest
import torch
from torch import nn

from rftools.errors import RequestError
from rftools.models import NETS, build
from rftools.models.data import Dataset, load_data
from rftools.models.tasks import IGNORED, RADIUS, TASKS
from rftools.models.training import Options, Recipe, train


@pytest.fixture(scope="module", params=list(TASKS))
def task(request):
    made = TASKS[request.param].make(64, 5)
    return request.param, *made


def test_same_seed_same_pictures(task):
    name, images, labels = task
    again, same = TASKS[name].make(64, 5)
    other, _ = TASKS[name].make(64, 6)
    assert np.array_equal(images, again)
    assert np.array_equal(labels, same)
    assert not np.array_equal(images, other)


def colours(image: np.ndarray, channel: int) -> np.ndarray:
    """Where a mark of a channel's colour is: bright there, dark in both others."""
    others = [c for c in range(3) if c != channel]
    return (image[channel] >= 225) & (image[others[0]] <= 45) & (image[others[1]] <= 45)


def test_marks_are_alike_as_their_colours_say():
    images, labels = TASKS["marks"].make(200, 3)
    for image, label in zip(images, labels, strict=True):
        red, blue = colours(image, 0).sum(), colours(image, 2).sum()
        assert (red, blue) in {(18, 0), (0, 18), (9, 9)}
        assert label == (red != blue)
    assert 0.4 < labels.mean() < 0.6


def test_a_discs_class_is_its_marks_colour_within_the_radius():
    images, labels = TASKS["discs"].make(40, 3)
    for image, label in zip(images, labels, strict=True):
        (kind,) = set(np.unique(label)) - {0}
        marked = np.argwhere((image[kind - 1] == 255) & (image[[c for c in range(3) if c != kind - 1]] == 0).all(0))
        centre = marked.mean(0)
        assert marked.shape == (9, 2)
        assert np.hypot(*(np.argwhere(label == kind) - centre).T).max() <= RADIUS
        grey = (image[0] == image[1]) & (image[1] == image[2])
        assert grey.sum() == 32 * 32 - 9  # nothing else tells the class


def test_the_cue_alone_tells_what_is_recalled():
    images, labels = TASKS["recall"].make(200, 3)
    for image, label in zip(images, labels, strict=True):
        channel, places = np.nonzero(image == 255)
        assert len(places) == 8 == np.ptp(places) + 1
        assert (label[: places.max()] == IGNORED).all()
        assert set(label[places.max() :]) == set(channel)
    needs = TASKS["recall"].needs(images, labels)
    ends = 127 - (images == 255).any(1)[:, ::-1].argmax(1)
    assert (needs[:, -1] == 128 - ends).all()
    assert needs.max() == 121


@pytest.mark.parametrize("net, name", [("fcn-strided", "discs"), ("wavenet-short", "recall"), ("vgg-strided", "marks")])
def test_nets_of_each_kind_are_trained(net, name, tmp_path):
    whole = load_data(name, "test")
    some = Dataset(name, whole.images[:16], whole.labels[:16], whole.classes, whole.flips, whole.shifts)
    recipe = Recipe({"name": net, "arguments": {}}, lambda: build(net, classes=len(some.classes)))
    (epoch,) = train(recipe, some, some, tmp_path / "run", Options(epochs=1, batch_size=8, device="cpu"))
    module = build(net, classes=len(some.classes))
    module.load_state_dict(torch.load(tmp_path / "run" / "epoch-0001.pt", weights_only=True)["state_dict"])
    with torch.no_grad():
        scores = module.eval()(some.images.float() / 255)
    loss, right = by_hand(scores, some.labels, shares=net.startswith("fcn"))
    assert epoch.val_loss == pytest.approx(loss, rel=1e-4)
    assert epoch.val_accuracy == pytest.approx(right, abs=1e-9)


def by_hand(scores: torch.Tensor, labels: torch.Tensor, *, shares: bool) -> tuple[float, float]:
    """Loss and accuracy, place by place, of those that have a label."""
    last = scores.movedim(1, -1).reshape(-1, scores.shape[1])
    flat = labels.flatten()
    kept = flat != IGNORED
    logs = last.log() if shares else last - last.exp().sum(1, keepdim=True).log()
    losses = -logs[kept].gather(1, flat[kept, None])
    return float(losses.mean()), float((last[kept].argmax(1) == flat[kept]).double().mean())


def test_scores_of_another_shape_are_refused(tmp_path):
    discs = load_data("discs", "test")
    recipe = Recipe({"name": "vgg-strided", "arguments": {}}, lambda: build("vgg-strided", classes=4))
    with pytest.raises(
        RequestError, match=r"the net gives 4 a picture; training takes 4x32x32 scores, .* at each of 32x32"
    ):
        train(recipe, discs, discs, tmp_path / "a", Options(epochs=1, device="cpu"))

    class Two(nn.Module):
        def forward(self, x):
            return x.mean((2, 3)), x

    with pytest.raises(RequestError, match="the net gives a tuple; training takes one tensor of scores"):
        train(Recipe({"name": "two", "arguments": {}}, Two), discs, discs, tmp_path / "b", Options(device="cpu"))


def test_tables_of_nets_and_tasks_agree():
    assert NETS["wavenet-short"].input_size == tuple(TASKS["recall"].make(1, 0)[0].shape[1:])
