"""What is written where: regular files are replaced whole, everything else is left what it is."""

from __future__ import annotations

import os
import stat
import threading
from pathlib import Path
from typing import Any

import pytest

from rftools.errors import RequestError
from rftools.files import atomic_write, check_writable, write_text

posix = pytest.mark.skipif(os.name != "posix", reason="links, pipes and devices as POSIX has them")


@posix
def test_a_symbolic_link_stays_one_and_its_file_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    file, link = tmp_path / "real" / "a.txt", tmp_path / "link.txt"
    file.write_text("old")
    link.symlink_to("real/a.txt")
    assert check_writable(link) == link
    write_text(link, "new")
    assert link.is_symlink()
    assert file.read_text() == "new"
    assert [path.name for path in (tmp_path / "real").iterdir()] == ["a.txt"]


@posix
def test_a_link_to_nothing_makes_the_file_that_it_names(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "made")
    write_text(tmp_path / "link", "x")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "made").read_text() == "x"


@posix
def test_links_in_a_circle_are_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to(tmp_path / "b")
    (tmp_path / "b").symlink_to(tmp_path / "a")
    for write in (check_writable, lambda path: write_text(path, "x")):
        with pytest.raises(RequestError, match=r"cannot write .*a: its symbolic links go round"):
            write(tmp_path / "a")  # type: ignore[operator]
    assert (tmp_path / "a").is_symlink()


@posix
def test_a_pipe_is_written_into(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    got: list[str] = []
    reader = threading.Thread(target=lambda: got.append(pipe.read_text()), daemon=True)
    reader.start()
    check_writable(pipe)
    write_text(pipe, "through")
    reader.join(10)
    assert got == ["through"]
    assert stat.S_ISFIFO(pipe.stat().st_mode)


@posix
def test_a_device_stays_a_device(tmp_path: Path) -> None:
    check_writable("/dev/null")
    write_text("/dev/null", "x")
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)
    (tmp_path / "null").symlink_to("/dev/null")
    write_text(tmp_path / "null", "x")
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)
    if Path("/dev/full").exists():
        with pytest.raises(RequestError, match="cannot write /dev/full: no space left on device"):
            write_text("/dev/full", "x")


def test_what_fails_half_way_leaves_the_old_file(tmp_path: Path) -> None:
    file = tmp_path / "a.txt"
    file.write_text("old")

    def broken() -> None:
        with atomic_write(file) as stream:
            stream.write(b"half")
            raise KeyError

    with pytest.raises(KeyError):
        broken()
    assert file.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]


@pytest.mark.parametrize("name", ["a" * 5000, "a\0b.html", "b" * 300 + ".csv"])
@pytest.mark.parametrize("write", [check_writable, lambda path: write_text(path, "x")])
def test_a_name_that_no_file_can_have_is_refused(tmp_path: Path, name: str, write: Any) -> None:
    with pytest.raises(RequestError, match=r"^cannot write .*(too long|null byte|null character)"):
        write(tmp_path / name)
    assert list(tmp_path.iterdir()) == []
