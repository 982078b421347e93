"""Arrays of every kind: real finite numbers are read whatever their bytes' order, all else is refused by name."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import rftools as rf
from rftools.errors import RequestError
from rftools.reading import limits, read_array, read_arrays, real_numbers

VALUES = np.arange(24).reshape(2, 3, 4)
REAL = ("|i1", "|u1", "<i2", ">i2", ">u4", "<i8", ">i8", "<f2", ">f2", "<f4", ">f4", "<f8", ">f8", "longdouble")


@pytest.mark.parametrize("dtype", REAL)
@pytest.mark.parametrize("order", ["C", "F"])
def test_numbers_of_every_type_are_the_same(tmp_path: Path, dtype: str, order: Any) -> None:
    np.save(tmp_path / "a.npy", np.asarray(VALUES.astype(dtype), order=order))
    found = real_numbers(read_array(tmp_path / "a.npy"), "a.npy")
    assert found.dtype == np.float32
    assert found.dtype.isnative
    assert (found == VALUES).all()


OTHER = {
    "complex numbers": VALUES.astype(complex),
    "texts": VALUES.astype(str),
    "dates": VALUES.astype("datetime64[D]"),
    "spans of time": VALUES.astype("timedelta64[s]"),
    "records": np.zeros(3, [("a", "f4")]),
    "Python objects": np.array([1, None], object),
}


@pytest.mark.parametrize("words", OTHER)
@pytest.mark.parametrize("ending", ["npy", "npz"])
def test_what_is_no_number_is_refused_by_name(tmp_path: Path, words: str, ending: str) -> None:
    path = tmp_path / f"a.{ending}"
    np.savez(path, x=OTHER[words]) if ending == "npz" else np.save(path, OTHER[words])
    with pytest.raises(RequestError, match=rf"^a\.{ending}.* is of {words}"):
        read_array(path)
    with pytest.raises(RequestError, match=f"the array is of {words}"):
        real_numbers(OTHER[words], "the array")


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e300])
def test_what_is_not_finite_is_refused(tmp_path: Path, bad: float) -> None:
    images = np.zeros((2, 3, 8, 8))
    images[1, 2, 3, 4] = bad
    np.save(tmp_path / "a.npy", images)
    net = torch.nn.Sequential(torch.nn.Conv2d(3, 1, 3))
    given = (tmp_path / "a.npy", images, torch.from_numpy(images), list(images), list(torch.from_numpy(images)))
    for each in given:
        with pytest.raises(RequestError, match=r"1 of \d+ numbers are NaN, infinite or beyond float32"):
            rf.effective(net, each, input_size=(3, 8, 8))  # type: ignore[arg-type]


@pytest.mark.filterwarnings("ignore:torch.quantize")
@pytest.mark.parametrize("kind", ["sparse", "complex", "quantised", "meta"])
def test_tensors_of_other_kinds_are_refused_by_name(kind: str) -> None:
    plain = torch.zeros(1, 3, 8, 8)
    made = {
        "sparse": plain.to_sparse(),
        "complex": plain.to(torch.complex64),
        "quantised": torch.quantize_per_tensor(plain, 0.1, 0, torch.qint8),
        "meta": plain.to("meta"),
    }
    with pytest.raises(RequestError, match=f"the tensor is {kind}; give dense real numbers"):
        rf.effective(torch.nn.Sequential(torch.nn.Conv2d(3, 1, 3)), made[kind], input_size=(3, 8, 8))


def header(text: str) -> bytes:
    body = text.encode().ljust(118) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(body).to_bytes(2, "little") + body


HEADERS = (
    "{'descr': '<f4', 'fortran_order': False, 'shape': (4398046511104,)}",
    "{'descr': '<f4', 'fortran_order': False, 'shape': (-1,)}",
    "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 2)}",
    "{'descr': '<f4', 'fortran_order': False, 'shape': 3}",
    "{'descr': '<f4', 'fortran_order': 1, 'shape': (4,)}",
    "{'descr': 'x', 'fortran_order': False, 'shape': (4,)}",
    "{'descr': '<f4'}",
    "[" * 100,
    "",
)


@pytest.mark.parametrize("text", HEADERS)
def test_a_header_is_checked_before_room_is_made(tmp_path: Path, text: str) -> None:
    whole = header(text) + bytes(16)
    (tmp_path / "a.npy").write_bytes(whole)
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("x.npy", whole)
    for name in ("a.npy", "a.npz"):
        with pytest.raises(RequestError, match=rf"^{name}"):
            read_arrays(tmp_path / name)


def test_a_packed_archive_is_not_unpacked_without_limit(tmp_path: Path) -> None:
    stream = io.BytesIO()
    np.save(stream, np.zeros(1 << 20, np.uint8))
    with zipfile.ZipFile(tmp_path / "a.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x.npy", stream.getvalue())
    assert read_array(tmp_path / "a.npz").size == 1 << 20
    with limits(expansion=1 << 19), pytest.raises(RequestError, match="packed entries expand to; at most 524288"):
        read_array(tmp_path / "a.npz")


def test_one_of_several_arrays_is_not_guessed(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x=VALUES, y=VALUES)
    with pytest.raises(RequestError, match=r"a\.npz holds 2 arrays \(x, y\); save the one that is meant alone"):
        read_array(tmp_path / "a.npz")


@pytest.mark.parametrize("ending", [".npy", ".npz"])
def test_the_first_rows_are_read_and_no_more(tmp_path: Path, ending: str) -> None:
    """As the first rows of the whole; of an NPY file no byte after them is asked for."""
    whole = np.random.default_rng(0).random((50, 2, 3)).astype(np.float32)
    path = tmp_path / f"a{ending}"
    np.save(path, whole) if ending == ".npy" else np.savez(path, a=whole)
    assert np.array_equal(read_array(path, 2), whole[:2])
    assert read_array(path, 2).nbytes == 48
    assert np.array_equal(read_array(path, 500), whole)
    np.save(tmp_path / "turned.npy", np.asfortranarray(whole))
    assert np.array_equal(read_array(tmp_path / "turned.npy", 2)[:2], whole[:2])
