"""What images may be: names of data, lists, loaders, data sets; and how many of them are taken."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from torch.utils.data import DataLoader, IterableDataset, TensorDataset

import rftools as rf
from rftools.erf.images import gather
from rftools.loading import Model
from rftools.loading.model import Normalisation
from rftools.models.data import load_data

PIXELS = np.random.default_rng(0).integers(0, 256, (3, 12, 12, 3), dtype=np.uint8)


def model(size: tuple[int, ...] = (3, 12, 12), **more: Any) -> Model:
    return Model(nn.Sequential(nn.Conv2d(size[0], 2, 3, padding=1)), "net", "net", size, **more)


def channels_first() -> torch.Tensor:
    """The pixels as a net takes them, worked out without the code under test."""
    return torch.from_numpy(np.moveaxis(PIXELS, 3, 1).astype(np.float32) / 255)


def test_pictures_arrays_loaders_and_data_sets_give_the_same_inputs(tmp_path: Path) -> None:
    pictures = [Image.fromarray(own) for own in PIXELS]
    for number, picture in enumerate(pictures):
        picture.save(tmp_path / f"{number}.png")
    tensors, labels = channels_first(), torch.arange(3)
    data = TensorDataset(tensors, labels)
    given: dict[str, Any] = {
        "pictures": pictures,
        "pairs": [(picture, 1) for picture in pictures],
        "bytes": list(PIXELS),
        "tensors": list(tensors),
        "arrays": [own.numpy() for own in tensors],
        "data set": data,
        "loader": DataLoader(data, batch_size=2),
        "iterator": iter(tensors),
        "files": sorted(tmp_path.glob("*.png")),
        "folder": tmp_path,
    }
    for name, images in given.items():
        torch.testing.assert_close(gather(images, model()).inputs, tensors, rtol=0, atol=1e-7, msg=name)


def test_an_endless_data_set_gives_what_was_asked() -> None:
    class Endless(IterableDataset[torch.Tensor]):
        def __iter__(self) -> Any:
            while True:
                yield torch.rand(3, 12, 12)

    assert len(gather(Endless(), model(), count=5).inputs) == 5
    assert len(gather(DataLoader(Endless(), batch_size=4), model(), count=5).inputs) == 5


@pytest.mark.parametrize("kind", ["tensor", "array", "list", "file"])
def test_a_count_takes_the_first_and_without_one_all_are_taken(kind: str, tmp_path: Path) -> None:
    values = torch.rand(40, 3, 12, 12)
    np.save(tmp_path / "all.npy", values.numpy())
    given = {"tensor": values, "array": values.numpy(), "list": list(values), "file": tmp_path / "all.npy"}[kind]
    assert torch.equal(gather(given, model(), count=3).inputs, values[:3])
    assert torch.equal(gather(given, model()).inputs, values)
    result = rf.effective(model(), given, layers="0", count=2)  # type: ignore[arg-type]
    wanted = rf.effective(model().module, values[:2], layers="0")
    assert result["0"].images == wanted["0"].images == 2


def test_data_by_name_are_held_out_and_normalised() -> None:
    norm = Normalisation((0.5, 0.4, 0.3), (0.2, 0.2, 0.1))
    found = gather("patches", model((3, 32, 32), normalisation=norm), count=4, seed=1)
    held_out = load_data("patches", "test").images.float() / 255
    assert found.source == "patches, held out (4 of 800)"
    for image in found.inputs:
        pixels = image * torch.tensor(norm.std)[:, None, None] + torch.tensor(norm.mean)[:, None, None]
        assert (held_out - pixels).abs().amax((1, 2, 3)).min() < 1e-5


def test_a_checkpoint_is_looked_at_with_the_data_that_it_was_trained_on() -> None:
    trained = dataclasses.replace(model((3, 32, 32)), metadata={"data": "patches"})
    result = rf.effective(trained, layers="0", count=3)
    assert result.source == "patches, held out (3 of 800), of the data that it was trained on"
    assert result.to_dict()["images"]["source"] == result.source
    gone = dataclasses.replace(trained, metadata={"data": "folder"})
    assert gather(None, gone).source == "white noise, since folder, which it was trained on, is not at hand"
    assert gather(None, model()).source == "white noise"
    assert gather("white", trained).source == "white noise"


def test_patches_without_their_package_are_white_noise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    found = gather("patches", model((3, 32, 32)), count=2)
    assert found.source == "white noise, since patches need the package scikit-image"
    assert torch.equal(found.inputs, gather("white", model((3, 32, 32)), count=2).inputs)


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (3, "not int"),
        ({"x": 1}, "not dict"),
        (object(), "not object"),
        ([object()], "an image is a tensor, an array or a picture, not object"),
        ([], "the images are none"),
        ("patchs", r"no such file or folder: patchs \(closest: patches\); noise is white or pink, data patches"),
    ],
)
def test_what_is_no_images_is_one_line(images: Any, message: str) -> None:
    with pytest.raises(rf.RequestError, match=message) as caught:
        gather(images, model())
    assert "\n" not in str(caught.value)
