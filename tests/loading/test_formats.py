"""Files of other programs: what is read of them, in whose order, and what is refused."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import rftools as rf

RNG = np.random.default_rng(0)


def test_kernels_of_keras_are_turned(tmp_path: Path) -> None:
    """Convolutions have ``(y, x, in, out)``, transposed ones ``(y, x, out, in)``, depthwise ones ``(y, x, in, m)``."""
    h5py = pytest.importorskip("h5py")
    conv, turned, depth = RNG.random((3, 5, 2, 4)), RNG.random((3, 3, 6, 4)), RNG.random((3, 3, 4, 2))
    dense = RNG.random((7, 3))
    with h5py.File(tmp_path / "net.weights.h5", "w") as file:
        for place, value in {
            "layers/conv2d/vars/0": conv,
            "layers/conv2d/vars/1": RNG.random(4),
            "layers/conv2d_transpose/vars/0": turned,
            "layers/depthwise_conv2d/vars/0": depth,
            "layers/dense/vars/0": dense,
            "optimizer/vars/1": RNG.random((3, 3)),
        }.items():
            file[place] = value.astype(np.float32)
    with h5py.File(tmp_path / "old.h5", "w") as file:
        file["model_weights/stem/net/stem/kernel:0"] = conv.astype(np.float32)
    from rftools.loading.formats import Contents, read_file

    found = read_file(tmp_path / "net.weights.h5")
    assert isinstance(found, Contents)
    state = {name: value.numpy() for name, value in found.content.items()}
    assert set(state) == {
        "conv2d.weight",
        "conv2d.bias",
        "conv2d_transpose.weight",
        "depthwise_conv2d.weight",
        "dense.weight",
    }
    for o, i, y, x in [(0, 0, 0, 0), (3, 1, 2, 4), (1, 0, 1, 3)]:
        assert state["conv2d.weight"][o, i, y, x] == np.float32(conv[y, x, i, o])
    assert state["conv2d_transpose.weight"][3, 5, 0, 2] == np.float32(turned[0, 2, 5, 3])  # torch: (in, out, y, x)
    assert state["depthwise_conv2d.weight"][2 * 2 + 1, 0, 2, 1] == np.float32(depth[2, 1, 2, 1])
    assert state["dense.weight"][2, 6] == np.float32(dense[6, 2])
    assert rf.sparsity(tmp_path / "old.h5")["stem"].shape == (4, 2, 3, 5)
    shapes = rf.info(tmp_path / "net.weights.h5").tensors
    assert shapes == {name: value.shape for name, value in state.items()}


def keras_layers(layers: Any) -> list[Any]:
    """Of every kind that has kernels, under names that say nothing of the kind."""
    inner: list[Any] = [
        layers.Conv2D(8, (3, 5), padding="same", name="a"),
        layers.BatchNormalization(name="b"),
        layers.SeparableConv2D(8, 3, use_bias=False, name="c"),
        layers.DepthwiseConv2D(3, depth_multiplier=2, use_bias=False, name="d"),
        layers.Conv2DTranspose(6, 3, name="e"),
        layers.Conv2D(4, (1, 3), groups=2, name="f"),
        layers.Dense(5, name="g"),
    ]
    return inner


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", ["a.keras", "a.weights.h5", "a.h5"])
def test_kernels_of_every_layer_that_keras_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """In a net inside a net, as with a backbone: the slices of each layer's kernel, and its sizes in torch's order."""
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    keras = pytest.importorskip("keras")
    layers = keras_layers(keras.layers)
    attention = keras.layers.MultiHeadAttention(2, 4, name="h")
    net = keras.Sequential([keras.Input((16, 16, 3)), keras.Sequential(layers[:5], name="net"), *layers[5:]])
    tokens = keras.Input((5, 6))
    net = keras.Model([net.inputs[0], tokens], [net.outputs[0], attention(tokens, tokens)])
    (net.save_weights if "weights" in name else net.save)(tmp_path / name)
    shapes = sorted(row.shape for row in rf.sparsity(tmp_path / name))
    wanted = [(8, 3, 3, 5), (8, 1, 3, 3), (8, 8, 1, 1), (16, 1, 3, 3), (6, 16, 3, 3), (4, 3, 1, 3), (5, 4)]
    assert shapes == sorted([*wanted, *[(8, 6)] * 3, (6, 8)])


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_files_that_keras_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A convolution's answer by Keras is torch's with the kernel that is read."""
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    keras = pytest.importorskip("keras")
    layer = keras.layers.Conv2D(4, (3, 5), padding="valid", name="stem")
    net = keras.Sequential([keras.Input((9, 9, 2)), layer])
    net.save(tmp_path / "a.keras")
    net.save_weights(tmp_path / "a.weights.h5")
    x = torch.rand(1, 9, 9, 2)
    wanted = torch.as_tensor(keras.ops.convert_to_numpy(net(x.numpy()))).permute(0, 3, 1, 2)
    from rftools.loading.formats import read_file

    for name in ("a.keras", "a.weights.h5"):
        content: Any = read_file(tmp_path / name)
        kernel = next(v for n, v in content.content.items() if n.endswith(".weight"))
        bias = next(v for n, v in content.content.items() if n.endswith(".bias"))
        got = nn.functional.conv2d(x.permute(0, 3, 1, 2), kernel, bias)
        assert torch.allclose(got, wanted, atol=1e-5), name


def test_an_exported_program_of_an_older_layout(tmp_path: Path) -> None:
    net = nn.Conv2d(2, 3, 3)
    torch.save(net.state_dict(), tmp_path / "state.pt")
    with zipfile.ZipFile(tmp_path / "net.pt2", "w") as archive:
        archive.writestr("serialized_exported_program.json", "{}")
        archive.write(tmp_path / "state.pt", "serialized_state_dict.pt")
    assert rf.sparsity(tmp_path / "net.pt2").total.weights == net.weight.numel()
    assert rf.info(tmp_path / "net.pt2").format == "exported program"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"sizes": [{"as_int": 3}, {"as_int": 2}, {"as_int": 3}, {"as_int": 1 << 40}]},
            "reaches out of its 54 numbers",
        ),
        ({"dtype": 99}, "in a way that is not read"),
        ({"strides": []}, "no valid shape"),
    ],
)
def test_a_damaged_exported_program(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    meta = {
        "dtype": 7, "sizes": [{"as_int": n} for n in (3, 2, 3, 3)], "strides": [{"as_int": n} for n in (18, 9, 3, 1)],
        "storage_offset": {"as_int": 0},
    }  # fmt: skip
    entry = {"path_name": "weight_0", "use_pickle": False, "tensor_meta": meta | change}
    with zipfile.ZipFile(tmp_path / "net.pt2", "w") as archive:
        archive.writestr("net/data/weights/model_weights_config.json", json.dumps({"config": {"weight": entry}}))
        archive.writestr("net/data/weights/weight_0", bytes(54 * 4))
    with pytest.raises(rf.RequestError, match=message):
        rf.sparsity(tmp_path / "net.pt2")


def test_numpy_kernels(tmp_path: Path) -> None:
    kernel = RNG.random((4, 2, 3, 3)).astype(">f4")
    kernel[0, 0] = 0
    np.save(tmp_path / "a.npy", kernel)
    row = rf.sparsity(tmp_path / "a.npy")["weight"]
    assert (row.weights, row.zeros, row.shape) == (72, 9, (4, 2, 3, 3))
    np.savez(tmp_path / "b.npz", **{"conv.weight": kernel, "conv.bias": kernel[:, 0, 0, 0]})
    assert rf.orientation(tmp_path / "b.npz", mass="abs")["conv"].kernels == 7
    np.save(tmp_path / "c.npy", np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(rf.RequestError, match=r"c\.npy is of Python objects, which would have to be unpickled"):
        rf.sparsity(tmp_path / "c.npy")


def test_shards_lie_in_their_folder(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    inner = tmp_path / "net"
    inner.mkdir()
    save_file({"a.weight": torch.ones(2, 2, 3, 3)}, inner / "a.safetensors")
    save_file({"b.weight": torch.ones(2, 2, 3, 3)}, tmp_path / "b.safetensors")
    index = inner / "model.safetensors.index.json"
    for places, message in (
        ({"a.weight": "../b.safetensors"}, "names files outside of its folder"),
        ({"a.weight": "c.safetensors"}, r"names c\.safetensors, which is not in its folder; download all"),
        ({"c.weight": "a.safetensors"}, r"c\.weight is not in a\.safetensors"),
        ([], "names files outside of its folder, or of other kinds"),
    ):
        index.write_text(json.dumps({"weight_map": places}))
        with pytest.raises(rf.RequestError, match=message):
            rf.sparsity(index)
    index.write_text(json.dumps({"weight_map": {"a.weight": "a.safetensors"}}))
    assert rf.sparsity(index).total.weights == 36


def test_weights_beside_an_onnx_file(tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    inner = tmp_path / "net"
    inner.mkdir()
    weight = RNG.random((4, 2, 3, 3)).astype(np.float32)
    kernel = onnx.numpy_helper.from_array(weight, "conv.weight")
    node = onnx.helper.make_node("Conv", ["x", "conv.weight"], ["y"], name="conv")
    values = [
        onnx.helper.make_tensor_value_info(n, onnx.TensorProto.FLOAT, [1, c, s, s])
        for n, c, s in (("x", 2, 8), ("y", 4, 6))
    ]
    model = onnx.helper.make_model(onnx.helper.make_graph([node], "net", values[:1], values[1:], [kernel]))
    onnx.save_model(model, inner / "net.onnx", save_as_external_data=True, location="net.data", size_threshold=0)
    loaded = rf.load(inner / "net.onnx")
    assert np.array_equal(next(iter(loaded.module.parameters())).detach().numpy(), weight)
    (tmp_path / "outside").write_bytes((inner / "net.data").read_bytes())
    for location, message in (
        ("../outside", "which is not in its own folder; it is not opened"),
        (str(tmp_path / "outside"), "which is not in its own folder"),
        ("missing.data", "is no file beside it"),
    ):
        changed = onnx.load(inner / "net.onnx", load_external_data=False)
        next(e for e in changed.graph.initializer[0].external_data if e.key == "location").value = location
        (inner / "changed.onnx").write_bytes(changed.SerializeToString())
        with pytest.raises(rf.RequestError, match=message):
            rf.load(inner / "changed.onnx")
    (inner / "net.data").write_bytes(b"short")
    with pytest.raises(rf.RequestError, match=r"would reach out of it"):
        rf.load(inner / "net.onnx")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("model.ckpt.index", b"x" * 40 + b"\x57\xfb\x80\x8b\x24\x75\x47\xdb", "a part of a TensorFlow checkpoint"),
        ("model.ckpt.data-00000-of-00001", b"\0" * 64, "a part of a TensorFlow checkpoint"),
        ("saved_model.pb", b"\x08\x01", "is a TensorFlow graph"),
        ("net.tflite", b"\x1c\0\0\0TFL3", "is a TensorFlow Lite file"),
        ("flax_model.msgpack", b"\x81", "holds Flax weights"),
        ("net.bin", b"<?xml version", "is XML"),
        ("model.bin", b"GGUF\3\0\0\0", "is a GGUF file"),
    ],
)
def test_files_of_other_programs_are_named(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(content)
    for ask in (rf.load, rf.info, rf.sparsity):
        with pytest.raises(rf.RequestError, match=message):
            ask(tmp_path / name)


def test_a_prefix_of_tensorflow_and_an_address(tmp_path: Path) -> None:
    (tmp_path / "model.ckpt.index").write_bytes(b"x")
    with pytest.raises(rf.RequestError, match="a part of a TensorFlow checkpoint"):
        rf.load(tmp_path / "model.ckpt")
    for spec in ("https://example.org/net.pt", "hf-hub:timm/resnet18"):
        for ask in (rf.load, rf.info, rf.sparsity):
            with pytest.raises(rf.RequestError, match="is an address, and nothing is fetched; download the file"):
                ask(spec)


def test_a_file_is_known_by_its_first_bytes(tmp_path: Path) -> None:
    """Weights under another format's ending."""
    from safetensors.torch import save_file

    save_file({"conv.weight": torch.ones(2, 2, 3, 3)}, tmp_path / "a.safetensors")
    (tmp_path / "a.safetensors").rename(tmp_path / "a.bin")
    assert rf.info(tmp_path / "a.bin").format == "safetensors file"
    assert rf.sparsity(tmp_path / "a.bin").total.weights == 36
