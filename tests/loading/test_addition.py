"""A file format is one file: a module in the readers' folder that registers itself."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

import rftools as rf
from rftools.loading import formats

TOY = '''
"""A toy format: NumPy arrays beside their names."""
import numpy as np
import torch

from rftools.loading.formats import Contents, reader


@reader(".toy")
def read_toy(path):
    with path.open("rb") as stream, np.load(stream) as stored:
        return Contents({name: torch.from_numpy(stored[name]) for name in stored.files}, "toy file")
'''


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The readers' folder with one file more."""
    place = tmp_path / "readers"
    place.mkdir()
    (place / "toy_file.py").write_text(TOY)
    monkeypatch.setattr(formats, "__path__", [*formats.__path__, str(place)])
    yield
    formats.READERS.pop(".toy", None)
    sys.modules.pop("rftools.loading.formats.toy_file", None)


def test_a_format_is_added_by_one_file(tmp_path: Path, toy: None) -> None:
    torch.manual_seed(3)
    state = rf.load("rftools:vgg-dilated", seed=5).module.state_dict()
    with (tmp_path / "net.toy").open("wb") as stream:
        np.savez(stream, **{name: value.numpy() for name, value in state.items()})
    loaded = rf.load(tmp_path / "net.toy", model="rftools:vgg-dilated")
    assert all(torch.equal(value, state[name]) for name, value in loaded.module.state_dict().items())
    assert rf.sparsity(tmp_path / "net.toy").total.weights == rf.sparsity(loaded).total.weights


def test_without_the_file_there_is_no_such_format(tmp_path: Path) -> None:
    (tmp_path / "net.toy").write_bytes(b"PK something")
    assert ".toy" not in formats.readers()


def test_an_ending_has_one_reader() -> None:
    with pytest.raises(ValueError, match=r"files that end in \.pt have two readers"):
        formats.reader(".pt")(lambda path: formats.Contents({}, "other"))
    assert formats.readers()[".pt"].__name__ == "read_torch"
