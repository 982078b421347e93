"""Where answers go: every file that is named is written, what is read stays, notes can be silenced."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

import rftools as rf
from tests.cli.running import run
from tests.loading.test_loading import checkpoint

NET = "rftools:vgg-dilated"
BLOCKS = ["features.block1.conv", "features.block2.conv"]


def test_every_picture_that_is_named_is_written(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    names = [str(tmp_path / name) for name in ("a.png", "b.svg")]
    status, _, err = run(capsys, "trf", NET, "-o", names[0], "-o", names[1])
    assert status == 0
    assert err.startswith(f"weights: random, seed 0\nwrote {names[0]}\nwrote {names[1]}\n")
    assert Path(names[0]).read_bytes().startswith(b"\x89PNG")
    assert "<svg" in Path(names[1]).read_text()


def test_a_name_with_layer_in_it_is_a_file_a_layer(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    target = str(tmp_path / "field-{layer}.svg")
    status, _, err = run(
        capsys, "erf", NET, "--images", "white", "--count", "2", "--layers", ",".join(BLOCKS), "-o", target
    )
    assert status == 0
    for name in BLOCKS:
        picture = tmp_path / f"field-{name}.svg"
        assert f"wrote {picture}\n" in err
        assert f"{name}: unit" in picture.read_text()


def test_files_are_replaced_but_not_what_is_read(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """One rule for every command, and for Python: a file that exists is replaced; what is read needs --force."""
    source = checkpoint(tmp_path / "net.pt")
    target = tmp_path / "a.json"
    for _ in range(2):
        assert run(capsys, "sparsity", str(source), "--json", str(target))[0] == 0
    rf.theoretical(rf.load(source)).to_json(target)
    assert json.loads(target.read_text())["schema"]["name"] == "rftools.trf"
    before = source.read_bytes()
    status, out, err = run(capsys, "sparsity", str(source), "--json", str(source))
    line = f"{source} is read by this command; name another file, or --force to write over it"
    assert (status, out, err) == (2, "", f"rftools: error: {line}\n")
    assert source.read_bytes() == before
    assert run(capsys, "prune", str(source), "--sparsity", "0.5", "-o", str(source), "--force")[0] == 0
    assert rf.sparsity(rf.load(source)).total.sparsity > 0.4


def test_pruned_nets_and_pages_go_to_every_file_named(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    for verb, words, names in (
        ("prune", ["--sparsity", "0.5"], ["a.pt", "b.pt"]),
        ("report", ["--no-effective"], ["a.html", "b.html"]),
    ):
        paths = [str(tmp_path / name) for name in names]
        status, _, err = run(capsys, verb, NET, *words, "-o", paths[0], "-o", paths[1])
        assert status == 0
        assert all(f"wrote {path}\n" in err for path in paths)
        assert Path(paths[0]).read_bytes() == Path(paths[1]).read_bytes()


def test_quiet_leaves_the_answer_alone(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    loud = run(capsys, "sparsity", NET)
    hushed = run(capsys, "sparsity", NET, "--quiet", "--csv", str(tmp_path / "a.csv"))
    assert loud[2] == "weights: random, seed 0\n"
    assert hushed == (0, loud[1], "")
    assert run(capsys, "trf", "none.pt", "--quiet")[2] == "rftools: error: no such file: none.pt\n"


def test_layers_are_chosen_by_the_same_word_everywhere(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    for verb in ("trf", "sparsity", "orientation"):
        for words in (["--layers", ",".join(BLOCKS)], ["--layer", BLOCKS[0], "--layers", BLOCKS[1]]):
            table = tmp_path / "a.csv"
            assert run(capsys, verb, NET, *words, "--csv", str(table))[0] == 0
            names = [row[0] for row in csv.reader(table.read_text().splitlines())][1:]
            assert [name for name in names if name != "(total)"] == BLOCKS, verb


def test_a_total_is_that_of_the_layers_listed(capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = run(capsys, "sparsity", NET, "--layers", BLOCKS[0], "--json", "-")
    answer = json.loads(out)
    assert answer["total"]["weights"] == answer["layers"][0]["weights"] == 16 * 3 * 9


def test_check_takes_layers_for_limits_that_name_none(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    target = tmp_path / "a.json"
    words = ["--layers", ",".join(BLOCKS), "--min-field", "5", "--json", str(target)]
    status, out, _ = run(capsys, "check", NET, *words)
    assert (status, out) == (1, "min-field: features.block1.conv: 3 px, the limit is at least 5 px\n1 broken\n")
    assert [one["layer"] for one in json.loads(target.read_text())["outcomes"]] == BLOCKS


REFUSED = [
    (["trf", NET, "--kind", "grwth"], "no plot 'grwth' of one SPEC (closest: growth); there are growth, "),
    (["orientation", NET, NET, "--kind", "kernels"], "no plot 'kernels' of several SPECs; there are "),
    (["trf", NET, "-o", "a.png", "--theme", "grey"], "no theme 'grey'"),
]


@pytest.mark.parametrize(("words", "line"), REFUSED)
def test_drawings_that_there_are_not_are_refused_at_once(
    words: list[str], line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    status, out, err = run(capsys, *words)
    assert (status, out) == (2, "")
    assert err.startswith(f"rftools: error: {line}"), err
