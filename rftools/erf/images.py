"""The images that gradients are taken at: files, arrays, data sets by name or object, or noise."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from rftools.erf.noise import NOISES, noise
from rftools.erf.pictures import ENDINGS, Images, from_files, from_pictures
from rftools.errors import RequestError, closest
from rftools.loading import Model
from rftools.reading import check_finite, nameable, read_array, real_numbers

if TYPE_CHECKING:
    from torch.utils.data import Dataset

DATA = ("patches", "cifar10", "cifar100", "mnist5k")  # data sets that have a name
COUNT = 32  # images, where nothing else is said
ImageSource = torch.Tensor | NDArray[Any] | str | Path | Iterable[Any] | None


def gather(
    given: ImageSource | Dataset[Any],
    model: Model,
    *,
    count: int | None = None,
    usual: int = COUNT,
    seed: int = 0,
    strict: bool = False,
) -> Images:
    """Inputs from whatever was given: the first ``count`` of a tensor, an array or a list (without a count all),
    ``count`` (or ``usual``) of everything else. None stands for the data that the model was trained on, or noise.

    Raises:
        RequestError: no pictures, unreadable ones (with ``strict``), a wrong channel count, mixed sizes, something that
            is no images.
    """
    some = usual if count is None else count
    if some < 1:
        raise RequestError(f"{some} images were asked for; it takes at least one")
    if given is None:
        return _trained_on(model, some, seed)
    if isinstance(given, torch.Tensor):
        return _first(_real(given, "the tensor"), "tensor", model, count)
    if isinstance(given, np.ndarray):
        return _first(torch.from_numpy(real_numbers(given, "the array")), "array", model, count)
    if isinstance(given, str) and given in NOISES:
        return noise(given, model, count=some, seed=seed)
    if isinstance(given, str) and given in DATA and not Path(given).exists():
        return _by_name(given, model, some, seed)
    if isinstance(given, (str, Path)):
        return _from_path(Path(given), model, count, some, strict, seed)
    if isinstance(given, Sequence) and given and all(isinstance(item, (str, Path)) for item in given):
        files = [Path(item) for item in given][:count]
        return from_files(files, f"{len(files)} files", model, strict)
    return _from_items(given, model, count, some)


def takes_all(given: Any) -> bool:
    """Whether all of what was given is taken where no count is: of tensors, arrays and lists, and files of arrays."""
    if isinstance(given, (str, Path)):
        path = nameable(given)
        return path.exists() and not path.is_dir() and str(given) not in NOISES
    return isinstance(given, (torch.Tensor, np.ndarray, list, tuple))


def _first(inputs: torch.Tensor, source: str, model: Model, count: int | None, what: str = "the images") -> Images:
    return Images(_fitting(inputs, model.require_input_size(), what)[:count], source)


def _fitting(inputs: torch.Tensor, size: tuple[int, ...], what: str) -> torch.Tensor:
    shape = tuple(inputs.shape)
    if len(shape) != len(size) + 1:
        wanted = "N x " + " x ".join(map(str, size))
        raise RequestError(f"{what} have shape {' x '.join(map(str, shape))}; the net takes {wanted}")
    if shape[1] != size[0]:
        raise RequestError(f"{what} have {shape[1]} channels, the net takes {size[0]}")
    if shape[2:] != tuple(size[1:]):
        given, wanted = ("x".join(map(str, s)) for s in (shape[2:], size[1:]))
        raise RequestError(f"{what} are {given}, the input size is {wanted}; resize them or give --input-size")
    if shape[0] == 0:
        raise RequestError(f"{what} are none: the first dimension has length 0")
    return inputs


def _trained_on(model: Model, count: int, seed: int) -> Images:
    """Held-out pictures of the data that a checkpoint names; white noise where it names none, or they are not here."""
    name = model.metadata.get("data")
    if name is None:
        return noise("white", model, count=count, seed=seed)
    try:
        found = _held_out(str(name), model, count, seed)
    except RequestError:
        instead = noise("white", model, count=count, seed=seed)
        return replace(instead, source=f"white noise, since {name}, which it was trained on, is not at hand")
    return replace(found, source=f"{found.source}, of the data that it was trained on")


def _by_name(name: str, model: Model, count: int, seed: int) -> Images:
    """Held-out pictures of a data set; of ``patches`` white noise where the package that has them is missing."""
    from importlib.util import find_spec

    if name == "patches" and find_spec("skimage") is None:
        instead = noise("white", model, count=count, seed=seed)
        return replace(instead, source="white noise, since patches need the package scikit-image")
    return _held_out(name, model, count, seed)


def _held_out(name: str, model: Model, count: int, seed: int) -> Images:
    """Pictures of a data set's test part, drawn by the seed, resized and normalised as files are."""
    from PIL import Image

    from rftools.models.data import load_data

    data = load_data(name, "test")
    chosen = np.sort(np.random.default_rng(seed).permutation(len(data))[:count])
    source = f"{name}, held out ({len(chosen)} of {len(data)})"
    if data.images.dim() != 4:  # no pictures: samples, as they were trained on
        return Images(_fitting(data.images[chosen].float() / 255, model.require_input_size(), name), source)
    pixels = data.images[chosen].permute(0, 2, 3, 1).numpy()
    pictures = [Image.fromarray(own[..., 0] if own.shape[-1] == 1 else own) for own in pixels]
    return from_pictures(pictures, source, model)


def _from_path(path: Path, model: Model, count: int | None, some: int, strict: bool, seed: int) -> Images:
    if not nameable(path).exists():
        known = (*NOISES, *DATA)
        raise RequestError(
            f"no such file or folder: {path}{closest(str(path), known)}; noise is white or pink, data {', '.join(DATA)}"
        )
    if path.suffix.lower() in {".npy", ".npz"}:
        return _first(
            torch.from_numpy(real_numbers(read_array(path, count), path.name)), path.name, model, count, path.name
        )
    if path.is_dir():
        files = sorted(file for file in path.rglob("*") if file.suffix.lower() in ENDINGS)
        if not files:
            raise RequestError(f"no images in {path} ({', '.join(ENDINGS)})")
        # Files are often sorted by class: a few of many are drawn, not the first ones.
        order = np.random.default_rng(seed).permutation(len(files)) if some < len(files) else range(len(files))
        chosen = [files[i] for i in order[:some]]
        return from_files(chosen, f"{path.name}/ ({len(chosen)} of {len(files)})", model, strict)
    return from_files([path], path.name, model, strict=True)


def _real(given: torch.Tensor, where: str) -> torch.Tensor:
    """A tensor as float32 on the processor, as `real_numbers` has arrays.

    Raises:
        RequestError: a sparse, quantised, complex or empty (meta) one; one with NaN or infinite numbers.
    """
    if given.is_complex() or given.is_quantized or given.is_meta or given.layout != torch.strided:
        kind = "complex" if given.is_complex() else "quantised" if given.is_quantized else "meta"
        raise RequestError(f"{where} is {kind if given.layout == torch.strided else 'sparse'}; give dense real numbers")
    found = given.detach().float().cpu()
    check_finite(int(found.numel() - found.isfinite().sum()), found.numel(), where)
    return found


def _from_items(given: Any, model: Model, count: int | None, some: int) -> Images:
    """Images one by one: of a list, a data set, a data loader (whose batches are taken apart) or an iterator."""
    most = count if isinstance(given, (list, tuple)) else some
    items = [_image_of(item) for item in islice(_each(given), most)]
    if not items:
        raise RequestError("the images are none: the data set or list is empty")
    source = f"{len(items)} pictures" if isinstance(given, (list, tuple)) else type(given).__name__
    pictures = [_as_picture(item) for item in items]
    if all(picture is not None for picture in pictures):
        return from_pictures(pictures, source, model)
    tensors = [_as_tensor(item) for item in items]
    if len({tuple(t.shape) for t in tensors}) > 1:
        first, other = tensors[0], next(t for t in tensors if t.shape != tensors[0].shape)
        a, b = ("x".join(map(str, t.shape)) for t in (first, other))
        raise RequestError(f"images of mixed sizes: {a} and {b}; resize them to one")
    return Images(_fitting(torch.stack(tensors), model.require_input_size(), "the data set's images"), source)


def _each(given: Any) -> Iterator[Any]:
    """The items one by one; a loader's batches are taken apart."""
    from torch.utils.data import DataLoader

    if isinstance(given, DataLoader):
        for batch in given:
            images = _image_of(batch)
            yield from images if given.batch_size is not None else [images]
    elif isinstance(given, (dict, set, bytes)) or not (hasattr(given, "__iter__") or hasattr(given, "__getitem__")):
        raise RequestError(
            "images are a tensor, an array, a path, a list of pictures or paths, a data set, a data loader, or a name "
            f"({', '.join((*NOISES, *DATA))}), not {type(given).__name__}"
        )
    elif hasattr(given, "__len__") and hasattr(given, "__getitem__"):
        yield from (given[i] for i in range(len(given)))
    else:
        yield from given


def _image_of(item: Any) -> Any:
    """The image of a pair of image and label."""
    return item[0] if isinstance(item, (tuple, list)) and len(item) else item


def _as_picture(item: Any) -> Any:
    """A PIL image, also of an array of bytes with channels last; None of anything else."""
    from PIL import Image

    if isinstance(item, Image.Image):
        return item
    last = getattr(item, "ndim", 0) == 2 or (getattr(item, "ndim", 0) == 3 and item.shape[-1] in (3, 4))
    if isinstance(item, np.ndarray) and item.dtype == np.uint8 and last:
        return Image.fromarray(item)
    return None


def _as_tensor(item: Any) -> torch.Tensor:
    if isinstance(item, torch.Tensor):
        return _real(item, "an image")
    try:
        array = np.asarray(item)
    except (TypeError, ValueError, RuntimeError):
        array = np.empty(0, object)
    if array.dtype == object:
        raise RequestError(f"an image is a tensor, an array or a picture, not {type(item).__name__}")
    return torch.from_numpy(real_numbers(array, "an image"))
