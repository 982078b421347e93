"""Somebody's own code fails as it likes; what it raises is one line that names it."""

from __future__ import annotations

from pathlib import Path

import pytest

import rftools as rf

RAISED = {
    "ValueError('no\\nnet')": "ValueError: no",
    "KeyError('x')": "KeyError: KeyError: 'x'",
    "SystemExit(3)": "SystemExit: 3",
    "RecursionError()": "RecursionError",
    "MemoryError()": "MemoryError",
    "StopIteration": "StopIteration",
    "GeneratorExit": "GeneratorExit",
    "Exception": "Exception",
    "type('Own', (BaseException,), {})('own')": "Own: own",
    "type('Mute', (Exception,), {'__str__': lambda self: 1 / 0})()": "Mute",
}


@pytest.mark.parametrize("what", RAISED)
@pytest.mark.parametrize("where", ["import", "call", "forward", "name"])
def test_what_own_code_raises_is_one_line(tmp_path: Path, what: str, where: str) -> None:
    head = "from torch import nn\n"
    body = {
        "import": f"raise {what}",
        "call": f"def make():\n    raise {what}",
        "forward": f"class make(nn.Conv2d):\n    def __init__(self): super().__init__(3, 3, 3)\n"
        f"    def forward(self, x):\n        raise {what}",
        "name": f"def __getattr__(name):\n    raise {what}",
    }[where]
    (tmp_path / "own.py").write_text(head + body + "\n")
    spec = f"{tmp_path}/own.py:make"
    if where == "forward":
        if what in ("SystemExit(3)", "GeneratorExit") or "BaseException" in what:
            pytest.skip("what ends a program in the middle of a pass ends it")
        with pytest.raises(rf.RequestError):
            rf.theoretical(rf.load(spec, input_size=(3, 8, 8)))
        return
    with pytest.raises(rf.RequestError) as caught:
        rf.load(spec)
    assert RAISED[what] in str(caught.value)
    assert "own.py" in str(caught.value)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("make = 3", "is a int, neither a module nor a function"),
        ("def make(width): ...", "could not be called without arguments"),
        ("def make(): return 3", "gives a int, not a torch.nn.Module"),
        (
            "def make():\n    net = nn.Conv2d(3, 3, 3)\n    net.input_size = ('a', None)\n    return net",
            "an input size is",
        ),
        (
            "def make():\n    net = nn.Conv2d(3, 3, 3)\n    net.input_size = (3, -1, 8)\n    return net",
            "an input size is",
        ),
        (
            "def make():\n    net = nn.Conv2d(3, 3, 3)\n    net.input_size = (3, 1 << 20, 1 << 20)\n    return net",
            "--limit",
        ),
        ("def make(: ", "can't be imported: SyntaxError"),
        ("\0", "can't be imported"),
    ],
)
def test_what_a_factory_gives_is_looked_at(tmp_path: Path, body: str, message: str) -> None:
    (tmp_path / "own.py").write_text("from torch import nn\n" + body + "\n")
    with pytest.raises(rf.RequestError, match=message):
        rf.load(f"{tmp_path}/own.py:make")


@pytest.mark.parametrize(
    "typed",
    [
        "num_classes=-1",
        "num_classes=99999999999",
        "num_classes=abc",
        "num_classes=[]",
        "nonsense=1",
        "num_classes=None",
    ],
)
@pytest.mark.parametrize("net", ["torchvision:resnet18", "timm:resnet10t"])
def test_arguments_that_a_builder_fails_on_are_one_line(net: str, typed: str) -> None:
    pytest.importorskip(net.partition(":")[0])
    if net.startswith("timm:") and typed in ("num_classes=-1", "num_classes=None"):
        assert rf.load(f"{net}?{typed}").parameters > 0  # timm's way to say that there is no head
        return
    with pytest.raises(rf.RequestError, match=r"does not take|parameters of a net"):
        rf.load(f"{net}?{typed}")


@pytest.mark.parametrize("spec", ["a" * 5000, "a\0b", "a" * 300 + ".pt", "a" * 5000 + ".py:make", "?" * 3000 + ":x"])
def test_a_name_of_any_length_is_one_line(spec: str) -> None:
    for ask in (rf.load, rf.info):
        with pytest.raises(rf.RequestError) as caught:
            ask(spec)
        assert len(str(caught.value)) < 2100
