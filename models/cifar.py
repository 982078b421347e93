"""CIFAR-10 and CIFAR-100 from their published files: the pickled variant, read without unpickling, or the binary."""

from __future__ import annotations

import hashlib
import http.client
import io
import pickle
import tarfile
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rftools.errors import RequestError
from rftools.files import atomic_write

Images = NDArray[np.uint8]
Labels = NDArray[np.int64]


@dataclass(frozen=True)
class Variant:
    """The published archive of a data set; file name: MD5, as their authors and torchvision list them."""

    url: str
    md5: str
    folder: str
    binary_folder: str
    train: dict[str, str]
    test: dict[str, str]
    binary_train: tuple[str, ...]
    binary_test: tuple[str, ...]
    meta: tuple[str, str]
    names_key: str
    label_key: str
    label_bytes: int


VARIANTS = {
    "cifar10": Variant(
        url="https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz",
        md5="c58f30108f718f92721af3b95e74349a",
        folder="cifar-10-batches-py",
        binary_folder="cifar-10-batches-bin",
        train={
            "data_batch_1": "c99cafc152244af753f735de768cd75f",
            "data_batch_2": "d4bba439e000b95fd0a9bffe97cbabec",
            "data_batch_3": "54ebc095f3ab1f0389bbae665268c751",
            "data_batch_4": "634d18415352ddfa80567beed471001a",
            "data_batch_5": "482c414d41f54cd18b22e5b47cb7c3cb",
        },
        test={"test_batch": "40351d587109b95175f43aff81a1287e"},
        binary_train=tuple(f"data_batch_{i}.bin" for i in range(1, 6)),
        binary_test=("test_batch.bin",),
        meta=("batches.meta", "5ff9c542aee3614f3951f8cda6e48888"),
        names_key="label_names",
        label_key="labels",
        label_bytes=1,
    ),
    "cifar100": Variant(
        url="https://www.cs.toronto.edu/~kriz/cifar-100-python.tar.gz",
        md5="eb9058c3a382ffc7106e4002c42a8d85",
        folder="cifar-100-python",
        binary_folder="cifar-100-binary",
        train={"train": "16019d7e3df5f24257cddd939b257f8d"},
        test={"test": "f0ef6b0ae62326f3e7ffdfab6717acfc"},
        binary_train=("train.bin",),
        binary_test=("test.bin",),
        meta=("meta", "7973b15100ade9c7d40fb424638fde48"),
        names_key="fine_label_names",
        label_key="fine_labels",
        label_bytes=2,
    ),
}


def read(name: str, split: str, root: Path) -> tuple[Images, Labels, tuple[str, ...]]:
    """Images uint8 ``(N, 3, 32, 32)``, labels and class names of a split, from the files below ``root``.

    Raises:
        RequestError: no files there, or files whose checksum is wrong.
    """
    variant = VARIANTS[name]
    if (root / variant.binary_folder).is_dir():
        return _read_binary(variant, split, root / variant.binary_folder)
    folder = root / variant.folder
    if not folder.is_dir():
        raise RequestError(
            f"no {variant.folder} in {root}; put the files of {variant.url} there, or fetch them with --download"
        )
    images, labels = [], []
    for file, md5 in (variant.train if split == "train" else variant.test).items():
        content = read_arrays(checked(folder / file, md5))
        images.append(np.asarray(content["data"], dtype=np.uint8).reshape(-1, 3, 32, 32))
        labels.append(np.asarray(content[variant.label_key], dtype=np.int64))
    names = read_arrays(checked(folder / variant.meta[0], variant.meta[1]))[variant.names_key]
    decoded = tuple(name.decode() if isinstance(name, bytes) else str(name) for name in names)
    return np.concatenate(images), np.concatenate(labels), decoded


def checked(path: Path, md5: str) -> bytes:
    """A file's bytes, if they are the published ones."""
    if not path.is_file():
        raise RequestError(f"no such file: {path}")
    content = path.read_bytes()
    found = hashlib.md5(content, usedforsecurity=False).hexdigest()
    if found != md5:
        raise RequestError(
            f"{path} has MD5 {found}, the published file {md5}; it is damaged: delete it and fetch it again"
        )
    return content


class _ArraysOnly(pickle.Unpickler):
    """An unpickler that builds numpy arrays, strings, numbers and containers, and refuses every other name."""

    ALLOWED = frozenset(
        {
            ("numpy.core.multiarray", "_reconstruct"),
            ("numpy._core.multiarray", "_reconstruct"),
            ("numpy", "ndarray"),
            ("numpy", "dtype"),
            ("_codecs", "encode"),
        }
    )

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in self.ALLOWED:
            raise RequestError(f"the file asks for {module}.{name}: it holds more than arrays and is not opened")
        if name == "_reconstruct":
            return np.empty(0).__reduce__()[0]
        # Built-in types only: a pickle can set attributes on what it names, and these take none.
        return {"ndarray": np.ndarray, "dtype": np.dtype, "encode": str.encode}[name]


def read_arrays(content: bytes) -> dict[str, Any]:
    """The dict of arrays and lists in a CIFAR batch.

    Raises:
        RequestError: the pickle names anything but arrays, or is damaged.
    """
    try:
        loaded = _ArraysOnly(io.BytesIO(content), encoding="latin1").load()
    except RequestError:
        raise
    except Exception as error:
        raise RequestError(f"a data file is damaged: {error}") from error
    if not isinstance(loaded, dict):
        raise RequestError(f"a data file holds a {type(loaded).__name__}, not a dict of arrays")
    return {key.decode() if isinstance(key, bytes) else str(key): value for key, value in loaded.items()}


def _read_binary(variant: Variant, split: str, folder: Path) -> tuple[Images, Labels, tuple[str, ...]]:
    """The binary variant: one or two label bytes (the fine label last), then 3,072 pixels a picture."""
    width = variant.label_bytes + 3072
    rows = []
    for file in variant.binary_train if split == "train" else variant.binary_test:
        path = folder / file
        if not path.is_file():
            raise RequestError(f"no such file: {path}")
        raw = np.fromfile(path, dtype=np.uint8)
        if raw.size == 0 or raw.size % width:
            raise RequestError(f"{path} has {raw.size} bytes, not a multiple of {width}: it is truncated")
        rows.append(raw.reshape(-1, width))
    table = np.concatenate(rows)
    listed = next(iter([*folder.glob("batches.meta.txt"), *folder.glob("fine_label_names.txt")]), None)
    labels = table[:, variant.label_bytes - 1].astype(np.int64)
    names = tuple(listed.read_text().split()) if listed else tuple(map(str, range(int(labels.max()) + 1)))
    if labels.max() >= len(names):
        raise RequestError(f"{folder} has a label {labels.max()}, but {len(names)} class names: it is damaged")
    return table[:, variant.label_bytes :].reshape(-1, 3, 32, 32), labels, names


def download(name: str, root: Path) -> None:
    """Fetch and unpack the published archive into ``root``; its checksum is held against the published one."""
    variant = VARIANTS[name]
    archive = root / variant.url.rpartition("/")[2]
    root.mkdir(parents=True, exist_ok=True)
    if not archive.exists():
        _fetch(variant.url, archive)
    checked(archive, variant.md5)
    with tarfile.open(archive) as packed:
        packed.extractall(root, filter="data")


def _fetch(url: str, archive: Path) -> None:
    try:
        with urllib.request.urlopen(url, timeout=60) as response:
            content = response.read()
    except (OSError, http.client.HTTPException) as error:
        raise RequestError(
            f"could not fetch {url}: {error}; put it into {archive.parent} by hand as {archive.name}"
        ) from error
    with atomic_write(archive) as stream:
        stream.write(content)
