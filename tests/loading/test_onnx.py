"""ONNX files: values against the reference evaluator of the onnx package, fields against the module they came from."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import rftools as rf
from rftools.cli import main
from rftools.errors import RequestError

onnx = pytest.importorskip("onnx", reason="the package onnx is not installed")
from onnx import TensorProto, helper, numpy_helper  # noqa: E402
from onnx.reference import ReferenceEvaluator  # noqa: E402

RNG = np.random.default_rng(0)


def array(*shape: int) -> np.ndarray[Any, Any]:
    return RNG.standard_normal(shape).astype(np.float32)


def written(
    folder: Path,
    nodes: list[Any],
    size: tuple[int | str, ...],
    constants: dict[str, Any] | None = None,
    opset: int = 18,
    outputs: tuple[str, ...] = ("y",),
) -> Path:
    """An ONNX file of a graph from ``x`` to ``outputs``."""
    graph = helper.make_graph(
        nodes,
        "net",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, list(size))],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in (constants or {}).items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=9)
    path = folder / "net.onnx"
    onnx.save(model, path)
    return path


def node(op: str, *inputs: str, to: str = "y", **attributes: Any) -> Any:
    return helper.make_node(op, list(inputs), to.split(","), name=f"n_{op}_{to}", **attributes)


W = array(4, 3, 3, 3)
INT = np.int64
CASES: dict[str, tuple[list[Any], tuple[int, ...], dict[str, Any], int]] = {
    "conv": (
        [node("Conv", "x", "w", "b", pads=[1, 1, 1, 1], strides=[2, 2])],
        (1, 3, 9, 8),
        {"w": W, "b": array(4)},
        18,
    ),
    "conv, uneven": ([node("Conv", "x", "w", pads=[0, 1, 2, 0], dilations=[1, 2])], (1, 3, 9, 8), {"w": W}, 18),
    "conv, same upper": (
        [node("Conv", "x", "w", auto_pad="SAME_UPPER", strides=[2, 2])],
        (1, 3, 9, 8),
        {"w": W},
        18,
    ),
    "conv, same lower": (
        [node("Conv", "x", "w", auto_pad="SAME_LOWER", strides=[2, 2])],
        (1, 3, 9, 8),
        {"w": W},
        18,
    ),
    "conv, groups": (
        [node("Conv", "x", "w", group=3, pads=[2, 2, 2, 2], dilations=[2, 2])],
        (1, 3, 9, 8),
        {"w": array(6, 1, 3, 3)},
        18,
    ),
    "conv, 1-D": ([node("Conv", "x", "w", pads=[2, 0])], (1, 3, 9), {"w": array(4, 3, 3)}, 18),
    "conv, 3-D": ([node("Conv", "x", "w", pads=[1] * 6)], (1, 3, 4, 5, 6), {"w": array(4, 3, 3, 3, 3)}, 18),
    "transposed": (
        [node("ConvTranspose", "x", "w", "b", strides=[2, 2], pads=[1, 1, 1, 1], output_padding=[1, 1])],
        (1, 3, 5, 6),
        {"w": array(3, 4, 3, 3), "b": array(4)},
        18,
    ),
    "transposed, uneven": (
        [node("ConvTranspose", "x", "w", strides=[2, 2], pads=[0, 1, 1, 0])],
        (1, 3, 5, 6),
        {"w": array(3, 4, 3, 3)},
        18,
    ),
    "max pool": (
        [node("MaxPool", "x", kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])],
        (1, 3, 9, 8),
        {},
        18,
    ),
    "max pool, uneven": (
        [node("MaxPool", "x", kernel_shape=[3, 3], strides=[2, 2], pads=[0, 0, 1, 1])],
        (1, 3, 8, 8),
        {},
        18,
    ),
    "mean pool": (
        [node("AveragePool", "x", kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])],
        (1, 3, 9, 8),
        {},
        18,
    ),
    "mean pool, counted": (
        [node("AveragePool", "x", kernel_shape=[3, 3], pads=[1, 1, 1, 1], count_include_pad=1)],
        (1, 3, 9, 8),
        {},
        18,
    ),
    "mean pool, uneven": (
        [node("AveragePool", "x", kernel_shape=[3, 3], pads=[0, 1, 2, 0])],
        (1, 3, 9, 8),
        {},
        18,
    ),
    "batch norm": (
        [node("BatchNormalization", "x", "s", "b", "m", "v")],
        (1, 3, 9, 8),
        {"s": array(3), "b": array(3), "m": array(3), "v": array(3) ** 2},
        18,
    ),
    "instance norm": (
        [node("InstanceNormalization", "x", "s", "b")],
        (1, 3, 9, 8),
        {"s": array(3), "b": array(3)},
        18,
    ),
    "layer norm": (
        [node("LayerNormalization", "x", "s", "b", axis=-1)],
        (1, 3, 9, 8),
        {"s": array(8), "b": array(8)},
        18,
    ),
    "group norm": (
        [node("GroupNormalization", "x", "s", "b", num_groups=2)],
        (1, 4, 9, 8),
        {"s": array(2), "b": array(2)},
        18,
    ),
    "group norm, a factor a channel": (
        [node("GroupNormalization", "x", "s", "b", num_groups=2)],
        (1, 4, 9, 8),
        {"s": array(4), "b": array(4)},
        21,
    ),
    "gemm": (
        [node("Flatten", "x", to="f"), node("Gemm", "f", "w", "b", transB=1)],
        (1, 3, 4, 5),
        {"w": array(7, 60), "b": array(7)},
        18,
    ),
    "gemm, scaled": (
        [node("Flatten", "x", to="f"), node("Gemm", "f", "w", "b", alpha=0.5, beta=2.0)],
        (1, 3, 4, 5),
        {"w": array(60, 7), "b": array(7)},
        18,
    ),
    "matmul": ([node("MatMul", "x", "w")], (1, 3, 4, 5), {"w": array(5, 6)}, 18),
    "clip": ([node("Clip", "x", "low", "high")], (1, 3, 4, 5), {"low": np.float32(0), "high": np.float32(0.5)}, 18),
    "hard sigmoid": ([node("HardSigmoid", "x", alpha=1 / 6)], (1, 3, 4, 5), {}, 18),
    "prelu": ([node("PRelu", "x", "s")], (1, 3, 4, 5), {"s": array(3, 1, 1)}, 18),
    "selu": ([node("Selu", "x")], (1, 3, 4, 5), {}, 18),
    "gelu, tanh": ([node("Gelu", "x", approximate="tanh")], (1, 3, 4, 5), {}, 20),
    "softmax": ([node("Softmax", "x", axis=1)], (1, 3, 4, 5), {}, 18),
    "means": ([node("ReduceMean", "x", "a", keepdims=0)], (1, 3, 4, 5), {"a": np.array([2, 3], INT)}, 18),
    "means, old": ([node("ReduceMean", "x", axes=[-1], keepdims=1)], (1, 3, 4, 5), {}, 13),
    "sum of all": ([node("ReduceSum", "x")], (1, 3, 4, 5), {}, 18),
    "pad": (
        [node("Pad", "x", "p", "v")],
        (1, 3, 4, 5),
        {"p": np.array([0, 0, 1, 2, 0, 0, 3, 0], INT), "v": W[0, 0, 0, 0]},
        18,
    ),
    "pad, axes": (
        [node("Pad", "x", "p", "", "a", mode="reflect")],
        (1, 3, 4, 5),
        {"p": np.array([1, 2, 0, 1], INT), "a": np.array([2, 3], INT)},
        18,
    ),
    "slice": (
        [node("Slice", "x", "s", "e", "a", "t")],
        (1, 3, 8, 9),
        {
            "s": np.array([1, -1], INT),
            "e": np.array([7, -(2**63)], INT),
            "a": np.array([2, 3], INT),
            "t": np.array([2, -2], INT),
        },
        18,
    ),
    "split": (
        [node("Split", "x", to="a,b", axis=1, num_outputs=2), node("Concat", "b", "a", axis=1)],
        (1, 5, 4, 4),
        {},
        18,
    ),
    "split, sizes": (
        [node("Split", "x", "s", to="a,b", axis=1), node("Concat", "b", "a", axis=1)],
        (1, 5, 4, 4),
        {"s": np.array([1, 4], INT)},
        18,
    ),
    "gather": ([node("Gather", "x", "i", axis=3)], (1, 3, 4, 5), {"i": np.array([[0, -1], [2, 2]], INT)}, 18),
    "transpose": ([node("Transpose", "x", perm=[0, 2, 3, 1])], (1, 3, 4, 5), {}, 18),
    "squeeze": (
        [node("Unsqueeze", "x", "a", to="u"), node("Squeeze", "u", "a")],
        (1, 3, 4, 5),
        {"a": np.array([-1], INT)},
        18,
    ),
    "tile": ([node("Tile", "x", "r")], (1, 3, 4, 5), {"r": np.array([1, 1, 2, 3], INT)}, 18),
    "depth to space": ([node("DepthToSpace", "x", blocksize=2)], (1, 8, 3, 4), {}, 18),
    "depth to space, torch's": ([node("DepthToSpace", "x", blocksize=2, mode="CRD")], (1, 8, 3, 4), {}, 18),
    "space to depth": ([node("SpaceToDepth", "x", blocksize=2)], (1, 2, 4, 6), {}, 18),
    "resize, nearest": (
        [
            node(
                "Resize",
                "x",
                "",
                "s",
                mode="nearest",
                coordinate_transformation_mode="asymmetric",
                nearest_mode="floor",
            )
        ],
        (1, 3, 4, 5),
        {"s": np.array([1, 1, 2, 2], np.float32)},
        18,
    ),
    "resize, linear": (
        [node("Resize", "x", "", "", "s", mode="linear", coordinate_transformation_mode="half_pixel")],
        (1, 3, 4, 5),
        {"s": np.array([1, 3, 7, 9], INT)},
        18,
    ),
    "resize, corners": (
        [node("Resize", "x", "", "s", mode="linear", coordinate_transformation_mode="align_corners")],
        (1, 3, 4, 5),
        {"s": np.array([1, 1, 2, 2], np.float32)},
        18,
    ),
    "shape arithmetic": (
        [
            node("Shape", "x", to="s"),
            node("Slice", "s", "two", "four", to="hw"),
            node("Mul", "hw", "twice", to="big"),
            node("Slice", "s", "zero", "two", to="nc"),
            node("Concat", "nc", "big", to="size", axis=0),
            node("Resize", "x", "", "", "size", mode="linear", coordinate_transformation_mode="half_pixel"),
        ],
        (1, 3, 4, 5),
        {
            "zero": np.array([0], INT),
            "two": np.array([2], INT),
            "four": np.array([4], INT),
            "twice": np.array([2], INT),
        },
        18,
    ),
    "masks": (
        [
            node("Greater", "x", "zero", to="g"),
            helper.make_node("Cast", ["g"], ["c"], to=TensorProto.FLOAT),
            node("Where", "g", "x", "c"),
        ],
        (1, 3, 4, 5),
        {"zero": np.float32(0)},
        18,
    ),
    "einsum": ([node("Einsum", "x", "w", equation="nchw,cd->ndhw")], (1, 3, 4, 5), {"w": array(3, 2)}, 18),
}


@pytest.mark.parametrize("case", CASES)
def test_an_operator_gives_what_the_reference_evaluator_gives(case: str, tmp_path: Path) -> None:
    if case == "conv, same upper" and tuple(map(int, onnx.__version__.split(".")[:2])) < (1, 21):
        pytest.skip("the reference evaluator of onnx before 1.21 puts the odd pixel at the wrong end")
    nodes, size, constants, opset = CASES[case]
    path = written(tmp_path, nodes, size, constants, opset)
    x = array(*size)
    with torch.no_grad():
        found = rf.load(path).module(torch.from_numpy(x)).numpy()
    (wanted,) = ReferenceEvaluator(str(path)).run(None, {"x": x})
    assert found.shape == wanted.shape
    np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-5)


def test_response_norm_over_channels(tmp_path: Path) -> None:
    """By its formula; the reference evaluator counts images where it means channels."""
    x = array(1, 5, 4, 4)
    path = written(tmp_path, [node("LRN", "x", size=3, alpha=0.1, beta=0.5, bias=2.0)], x.shape)
    squares = np.stack([(x[:, max(0, c - 1) : c + 2] ** 2).sum(1) for c in range(5)], 1)
    found = rf.load(path).module(torch.from_numpy(x)).numpy()
    np.testing.assert_allclose(found, x / np.sqrt(2.0 + 0.1 / 3 * squares), rtol=1e-5)


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.BatchNorm2d(8), nn.ReLU())
        self.wide = nn.Conv2d(8, 8, 3, padding=2, dilation=2, groups=4)
        self.up = nn.ConvTranspose2d(8, 4, 2, 2)
        self.head = nn.Linear(4, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.stem(x)
        x = self.up(torch.nn.functional.max_pool2d(x + self.wide(x), 2, 1))
        return self.head(x.mean((2, 3)))  # type: ignore[no-any-return]


@pytest.fixture
def exported(tmp_path: Path) -> Callable[..., tuple[nn.Module, Path]]:
    def export(**options: Any) -> tuple[nn.Module, Path]:
        torch.manual_seed(0)
        net = Block().eval()
        path = tmp_path / "block.onnx"
        torch.onnx.export(
            net, (torch.zeros(1, 3, 32, 32),), path, dynamo=False, opset_version=17, do_constant_folding=True, **options
        )
        return net, path

    return export


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")
def test_fields_and_maps_of_an_exported_net_are_the_modules_own(
    exported: Callable[..., tuple[nn.Module, Path]], capsys: pytest.CaptureFixture[str]
) -> None:
    net, path = exported()
    loaded = rf.load(path)
    assert loaded.input_size == (3, 32, 32)
    images = torch.randn(3, 3, 32, 32)
    can, does = rf.theoretical(loaded), rf.effective(loaded, images, layers=["wide", "up"])
    own_can, own_does = (
        rf.theoretical(net, input_size=(3, 32, 32)),
        rf.effective(net, images, layers=["wide", "up"]),
    )
    for layer in ("wide", "up"):
        assert [(a.size, a.stride, a.start) for a in can[layer].axes] == [
            (a.size, a.stride, a.start) for a in own_can[layer].axes
        ]
        wanted = own_does[layer].map
        np.testing.assert_allclose(does[layer].map, wanted, atol=1e-5 * wanted.max())
    main(["sparsity", str(path)])
    assert "wide" in capsys.readouterr().out
    assert rf.sparsity(loaded)["wide"].weights == net.wide.weight.numel()  # type: ignore[attr-defined, union-attr]


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")
def test_a_net_exported_for_one_image_takes_more(exported: Callable[..., tuple[nn.Module, Path]]) -> None:
    net, path = exported()
    images = torch.randn(3, 3, 32, 32)
    with torch.no_grad():
        torch.testing.assert_close(rf.load(path).module(images), net(images), rtol=1e-4, atol=1e-5)


def test_a_net_that_mixes_images_goes_one_by_one(tmp_path: Path) -> None:
    nodes = [
        node("Conv", "x", "a.weight", to="h", pads=[1, 1, 1, 1]),
        node("ReduceMax", "h", to="m", axes=[0], keepdims=1),
        node("Add", "h", "m"),
    ]
    path = written(tmp_path, nodes, (1, 3, 8, 8), {"a.weight": W}, 13)
    loaded = rf.load(path)
    assert loaded.module.takes_one_batch
    with pytest.raises(RequestError, match=r"made for 1 image\(s\) at a time, not for 2"):
        loaded.module(torch.zeros(2, 3, 8, 8))
    images = torch.randn(2, 3, 8, 8)
    both = rf.effective(loaded, images, layers=["a"])["a"].map
    each = [rf.effective(loaded, images[i : i + 1], layers=["a"])["a"].map for i in range(2)]
    np.testing.assert_allclose(both, (each[0] + each[1]) / 2, rtol=1e-6)


def test_what_is_not_read_ends_the_net_and_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    nodes = [node("Conv", "x", "a.weight", to="h", pads=[1, 1, 1, 1]), node("TopK", "h", "k", to="y,i")]
    path = written(tmp_path, nodes, (1, 3, 8, 8), {"a.weight": W, "k": np.array([2], INT)})
    loaded = rf.load(path)
    assert loaded.metadata["left_out"] == ("TopK (n_TopK_y,i)",)
    assert rf.theoretical(loaded)["a"].axes[0].size == 3
    main(["trf", str(path)])
    assert "left out, and what follows from them: TopK (n_TopK_y,i)" in capsys.readouterr().err


def test_an_open_size_is_asked_for(tmp_path: Path) -> None:
    path = written(tmp_path, [node("Conv", "x", "a.weight")], ("n", 3, "h", "w"), {"a.weight": W})
    with pytest.raises(RequestError, match="--input-size"):
        rf.theoretical(rf.load(path))
    assert rf.theoretical(rf.load(path, input_size=(3, 20, 24)))["a"].axes[0].size == 3


@pytest.mark.parametrize(
    ("nodes", "line"),
    [
        (
            [node("NonMaxSuppression", "x", "x")],
            r"none of its operators can be read \(the first is NonMaxSuppression\)",
        ),
        (
            [node("Resize", "x", "", "s", mode="linear", coordinate_transformation_mode="asymmetric")],
            "linear with asymmetric",
        ),
    ],
)
def test_what_cannot_be_read_is_said_in_one_line(nodes: list[Any], line: str, tmp_path: Path) -> None:
    path = written(tmp_path, nodes, (1, 3, 8, 8), {"s": np.array([1, 1, 2, 2], np.float32)})
    with pytest.raises(RequestError, match=line):
        rf.theoretical(rf.load(path))


def test_damaged_files_and_a_second_architecture_are_refused(tmp_path: Path) -> None:
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"\x08\x07not a graph")
    with pytest.raises(RequestError, match=r"broken\.onnx is not a whole ONNX file"):
        rf.load(broken)
    with pytest.raises(RequestError, match="no such file"):
        rf.load(tmp_path / "none.onnx")
    path = written(tmp_path, [node("Conv", "x", "a.weight")], (1, 3, 8, 8), {"a.weight": W})
    with pytest.raises(RequestError, match="holds its own architecture"):
        rf.load(path, model="rftools:vgg-dilated")


def test_two_layers_of_one_name_get_paths_of_their_own(tmp_path: Path) -> None:
    square = array(3, 3, 3, 3)
    nodes = [
        helper.make_node("Conv", ["x", "w1"], ["h"], name="/body/Conv"),
        helper.make_node("Conv", ["h", "w2"], ["i"], name="/body/Conv"),
        helper.make_node("Conv", ["i", "w2"], ["y"], name="/tail/Conv"),
    ]
    path = written(tmp_path, nodes, (1, 3, 12, 12), {"w1": square, "w2": square + 1})
    found = rf.theoretical(rf.load(path))
    assert [(row.name, row.axes[0].size) for row in found.layers if row.name] == [
        ("body", 3),
        ("body_1", 5),
        ("body_1#1", 7),
    ]


@pytest.mark.parametrize("name", ["layers", "steps", "inputs", "held", "outputs", "fixed", "images", "forward", "type"])
def test_layers_may_have_any_name(tmp_path: Path, name: str) -> None:
    path = written(tmp_path, [node("Conv", "x", f"{name}.0.weight")], (1, 3, 9, 8), {f"{name}.0.weight": W})
    kept = f"{name}_.0" if name in ("forward", "type") else f"{name}.0"
    model = rf.load(path)
    assert [row.name for row in rf.sparsity(model).layers] == [kept]
    wanted = nn.functional.conv2d(torch.ones(1, 3, 9, 8), torch.from_numpy(W))
    assert torch.equal(model.module(torch.ones(1, 3, 9, 8)), wanted)


HUGE = np.array([1 << 20, 1 << 20], dtype=np.int64)
HOSTILE: dict[str, tuple[list[Any], dict[str, Any], str]] = {
    "stride of zero": ([node("Conv", "x", "w", strides=[0, 1])], {"w": W}, "its kernel, strides or dilations are none"),
    "too few strides": ([node("Conv", "x", "w", strides=[1])], {"w": W}, "its kernel, strides or dilations are none"),
    "groups of zero": ([node("Conv", "x", "w", group=0)], {"w": W}, "are no 0 groups"),
    "a shape of 2^40": (
        [node("ConstantOfShape", "s", to="c"), node("Add", "x", "c")],
        {"s": HUGE},
        "asks for 10995116",
    ),
    "tiled": ([node("Tile", "w", "s", to="c"), node("Add", "x", "c")], {"w": W[0, 0], "s": HUGE}, "at most 67108864"),
    "expanded": (
        [node("Expand", "w", "s", to="c"), node("Add", "x", "c")],
        {"w": W[0, 0, 0, :1], "s": HUGE},
        "at most",
    ),
    "a long range": (
        [node("Range", "a", "b", "d", to="c"), node("Add", "x", "c")],
        {"a": np.float32(0), "b": np.float32(1e12), "d": np.float32(1)},
        "at most 67108864",
    ),
    "outer product": (
        [node("Mul", "a", "b", to="c"), node("Add", "x", "c")],
        {"a": np.ones((1 << 14, 1), np.float32), "b": np.ones((1, 1 << 14), np.float32)},
        "asks for 268435456",
    ),
    "doubled again and again": (
        [node("Concat", *([f"c{i}"] * 2), to=f"c{i + 1}", axis=0) for i in range(40)] + [node("Add", "x", "c40")],
        {"c0": np.ones(4, np.float32)},
        "at most 67108864",
    ),
    "shapes that do not fit": (
        [node("Add", "a", "b", to="c"), node("Add", "x", "c")],
        {"a": W, "b": W[:2]},
        "no valid",
    ),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_a_hostile_graph_is_one_line(tmp_path: Path, case: str) -> None:
    nodes, constants, message = HOSTILE[case]
    with pytest.raises(rf.RequestError, match=message) as caught:
        rf.load(written(tmp_path, nodes, (1, 3, 9, 8), constants))
    assert "\n" not in str(caught.value)


def test_an_input_beyond_the_limit_is_not_tried(tmp_path: Path) -> None:
    path = written(tmp_path, [node("Conv", "x", "w")], (1, 3, 1 << 20, 1 << 20), {"w": W})
    with pytest.raises(rf.RequestError, match="numbers of one input; at most 268435456"):
        rf.load(path)


@pytest.mark.parametrize("place", ["../outside.bin", "/elsewhere/weights.bin", "a/../../outside.bin"])
def test_external_data_outside_the_folder_is_refused(tmp_path: Path, place: str) -> None:
    (tmp_path / "outside.bin").write_bytes(W.tobytes())
    (tmp_path / "net" / "a").mkdir(parents=True)
    path = written(tmp_path / "net", [node("Conv", "x", "w")], (1, 3, 9, 8), {"w": W})
    model = onnx.load(path)
    (tensor,) = model.graph.initializer
    tensor.ClearField("raw_data")
    tensor.ClearField("float_data")
    tensor.data_location = TensorProto.EXTERNAL
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", place
    path.write_bytes(model.SerializeToString())
    with pytest.raises(rf.RequestError, match="which is not in its own folder; it is not opened"):
        rf.load(path)
