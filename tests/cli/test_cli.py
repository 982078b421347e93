"""The commands as a user types them: exact lines, exit status, JSON on standard output alone."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from rftools.cli import COMMANDS
from rftools.models import build
from tests.cli.running import run
from tests.loading.test_loading import checkpoint


def test_the_commands_answer_in_a_process_of_their_own() -> None:
    done = subprocess.run([sys.executable, "-m", "rftools", "--version"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout[:8], done.stderr) == (0, "rftools ", "")
    done = subprocess.run([sys.executable, "-m", "rftools", "trff"], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("rftools: error: no command 'trff' (closest: trf")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_and_an_example(capsys: pytest.CaptureFixture[str], command: str) -> None:
    status, out, _ = run(capsys, command, "--help")
    assert status == 0
    assert f"rftools {command}" in out
    assert "Example" in out


@pytest.mark.parametrize(
    ("name", "field"),
    [
        ("vgg-dilated", 31),
        ("vgg-large", 21),
        ("vgg-strided", 17),
        ("vgg-cascade", 21),
        ("fcn-dilated", 127),
        ("resnet-dilated", 437),
        ("wavenet", 1024),
    ],
)
def test_trf_json_has_the_nets_fields(capsys: pytest.CaptureFixture[str], name: str, field: int) -> None:
    status, out, _ = run(capsys, "trf", f"rftools:{name}", "--json", "-")
    assert status == 0
    answer = json.loads(out)
    assert answer["schema"] == {"name": "rftools.trf", "version": 1}
    assert answer["model"]["spec"] == f"rftools:{name}"
    sizes = [layer["axes"][0]["size"] for layer in answer["layers"] if layer["axes"][0]["size"] is not None]
    assert sizes[-1] == max(sizes) == field
    assert set(answer["layers"][0]) >= {"name", "op", "output_shape", "axes", "status", "aligned", "productive"}
    keys = {"size", "stride", "start", "centre", "phases", "holes", "global", "window", "clipped"}
    assert set(answer["layers"][0]["axes"][0]) >= keys
    assert "support" not in answer["layers"][0]["axes"][0]


def test_trf_support_and_unit(capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = run(capsys, "trf", "rftools:vgg-dilated", "--unit", "0,5", "--support", "--json", "-")
    layer = next(x for x in json.loads(out)["layers"] if x["name"] == "features.block1.conv")
    assert [axis["support"] for axis in layer["axes"]] == [[0, 1], [4, 5, 6]]
    assert [axis["window"] for axis in layer["axes"]] == [[-1, 1], [4, 6]]
    assert [axis["clipped"] for axis in layer["axes"]] == [[0, 1], [4, 6]]


def test_erf_json_npz_and_picture(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = checkpoint(tmp_path / "a.pt")
    out = [str(tmp_path / name) for name in ("a.json", "a.npz", "a.png")]
    status, text, err = run(capsys, "erf", str(path), "--count", "4", "--json", out[0], "--npz", out[1], "-o", out[2])
    assert status == 0, err
    assert text.startswith("layer\t")
    answer = json.loads(Path(out[0]).read_text())
    assert [layer["name"] for layer in answer["layers"]] == [f"features.block{i}.conv" for i in range(1, 5)]
    layer = answer["layers"][-1]
    assert layer["images"] == 4
    assert layer["theoretical"]["axes"][0]["size"] == 31
    assert set(layer["measures"]["luo_centre"]) == {"value", "low", "high", "unit"}
    assert Path(out[2]).read_bytes().startswith(b"\x89PNG")


def test_sparsity_and_orientation_of_a_bare_state_dict(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    state = build("vgg-dilated").state_dict()
    state["features.block2.conv.weight"][:, :, 0] = 0
    torch.save(state, tmp_path / "bare.pt")
    status, out, _ = run(capsys, "sparsity", str(tmp_path / "bare.pt"), "--json", "-")
    assert status == 0
    answer = json.loads(out)
    row = next(x for x in answer["layers"] if x["name"] == "features.block2.conv")
    assert row["sparsity"] == pytest.approx(1 / 3)
    assert row["taps"][6] == 384
    assert answer["total"]["zeros"] == row["zeros"]
    status, out, _ = run(capsys, "orientation", str(tmp_path / "bare.pt"), "--json", "-")
    assert status == 0
    row = next(x for x in json.loads(out)["layers"] if x["name"] == "features.block2.conv")
    assert (row["mean_angle"], row["resultant"], row["p_lattice"]) == (0, pytest.approx(1), pytest.approx(1e-4))


def bad(tmp_path: Path) -> dict[str, tuple[list[str], str]]:
    good = str(checkpoint(tmp_path / "good.pt"))
    (tmp_path / "text.pt").write_text("text")
    return {
        "no file": (["trf", str(tmp_path / "none.pt")], "no such file: "),
        "text": (["sparsity", str(tmp_path / "text.pt")], "text.pt is no PyTorch file"),
        "no net": (["trf", "rftools:vgg"], "no net 'vgg'"),
        "no layer": (
            ["erf", good, "--layer", "features.block1.con"],
            "no layer matches 'features.block1.con' (closest: features.block1.conv",
        ),
        "pattern": (["trf", good, "--layers", "zzz*"], "no layer matches zzz*"),
        "too small": (
            ["trf", "torchvision:alexnet", "--input-size", "3x16x16"],
            "AlexNet does not take an input of 3x16x16: ",
        ),
        "channels": (["trf", good, "--input-size", "1x32x32"], "Chain does not take an input of 1x32x32: "),
        "size": (["trf", good, "--input-size", "32"], "input size '32' is not CxL"),
        "unit": (["trf", good, "--unit", "99,99"], "unit 99,99 lies outside the map of "),
        "unit text": (["trf", good, "--unit", "a"], "unit 'a' is not i,j"),
        "folder": (["trf", good, "-o", str(tmp_path)], ""),
        "no folder": (["trf", good, "--json", str(tmp_path / "no" / "a.json")], "cannot write "),
        "format": (["trf", good, "-o", str(tmp_path / "a.xyz")], ""),
        "option": (["trf", good, "--colour"], "No such option"),
        "missing": (["trf"], "Missing argument 'SPEC'"),
        "device": (["erf", good, "--device", "quantum"], "no device 'quantum'"),
    }


CASES = [
    "no file",
    "text",
    "no net",
    "no layer",
    "pattern",
    "too small",
    "channels",
    "size",
    "unit",
    "unit text",
    "folder",
    "no folder",
    "format",
    "option",
    "missing",
    "device",
]


@pytest.mark.parametrize("case", CASES)
def test_bad_requests_get_one_line_and_status_2(capsys: pytest.CaptureFixture[str], tmp_path: Path, case: str) -> None:
    arguments, line = bad(tmp_path)[case]
    before = sorted(tmp_path.iterdir())
    status, out, err = run(capsys, *arguments)
    assert status == 2
    assert out == ""
    assert err.startswith(f"rftools: error: {line}"), err
    assert err.count("\n") == 1
    assert sorted(tmp_path.iterdir()) == before
