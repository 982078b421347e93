"""What loading and `info` cost beside PyTorch's and safetensors' own reading, on files of about 500 MB.

``python benchmarks/loading.py``. Processor time, the best of several runs that take turns. Safetensors' reader maps the
file and reads nothing yet, so beside it stands what reading each number once takes; rf.load does that, to refuse NaN.
Memory is the peak of a process of its own (Linux), less what the imports take, in sizes of the file: 1.0 is one copy.
The tensors that come out are compared with those that went in.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file

import rftools as rf

REPEATS = 5
SPEC = "torchvision:vgg16"  # 528 MB of weights
SIZE = (3, 224, 224)


def seconds(*functions: Callable[[], object]) -> list[float]:
    """The least processor time of each, in turns."""
    best = [float("inf")] * len(functions)
    for _ in range(REPEATS):
        for place, function in enumerate(functions):
            begin = time.process_time()
            held = function()
            best[place] = min(best[place], time.process_time() - begin)
            del held
    return best


def peak(code: str) -> float:
    """Peak bytes of a process that imports everything and then runs ``code``, above one that only imports."""
    script = "import h5py, onnx, torch, torchvision, rftools as rf\nfrom safetensors.torch import load_file\n"
    tail = "\nprint(next(int(line.split()[1]) * 1024 for line in open('/proc/self/status') if 'VmHWM' in line))"
    both = [subprocess.check_output([sys.executable, "-c", script + part + tail], text=True) for part in (code, "")]
    return float(both[0]) - float(both[1])


def times(path: Path, read: Callable[[], object], state: dict[str, torch.Tensor], what: str) -> None:
    """One line: reading alone, loading, `info`."""
    loaded = rf.load(path).module.state_dict()
    assert all(torch.equal(loaded[name], value) for name, value in state.items())
    del loaded
    size = path.stat().st_size / 2**20
    theirs, ours, facts = seconds(read, lambda: rf.load(path), lambda: rf.info(path))
    print(
        f"{path.suffix}, {size:.0f} MiB: {what} {theirs:.3f} s, rf.load {ours:.3f} s ({ours / theirs:.2f} times), "
        f"info with the SHA-256 {facts:.3f} s"
    )


def touched(path: Path) -> list[torch.Tensor]:
    """Safetensors read so that every number was looked at."""
    return [tensor.sum() for tensor in load_file(path).values()]


def write_all(folder: Path, state: dict[str, torch.Tensor]) -> dict[str, tuple[Path, str]]:
    """The weights in every format, and the library's own reading where it has one."""
    import h5py

    def place(name: str) -> Path:
        return folder / name

    torch.save(state, place("net.pt"))
    torch.save(state, place("old.pth"), _use_new_zipfile_serialization=False)
    torch.save({"state_dict": state, "made": Path("x")}, place("stub.ckpt"))
    torch.save({"state_dict": state, "made": Path("x")}, place("stub.pth"), _use_new_zipfile_serialization=False)
    save_file(state, place("net.safetensors"))
    np.savez(place("net.npz"), **{name: value.numpy() for name, value in state.items()})  # type: ignore[arg-type]
    with h5py.File(place("net.h5"), "w") as file:
        for number, value in enumerate(state.values()):
            axes = {4: (2, 3, 1, 0), 2: (1, 0), 1: (0,)}[value.ndim]
            file[f"layers/layer_{number}/vars/0"] = value.permute(axes).numpy()
    net = rf.load(SPEC).module
    net.load_state_dict(state)
    program = torch.export.export(net, (torch.zeros(1, *SIZE),))
    torch.export.save(program, place("net.pt2"))
    torch.onnx.export(net, (torch.zeros(1, *SIZE),), place("net.onnx"), external_data=False, verbose=False)
    with torch.no_grad():
        torch.jit.save(torch.jit.trace(net, torch.zeros(1, *SIZE)), str(place("scripted.pt")))
    load = "torch.load({path!r}, weights_only=True)"
    return {
        "PyTorch": (place("net.pt"), load),
        "PyTorch of before 1.6": (place("old.pth"), load),
        "more than tensors": (place("stub.ckpt"), ""),
        "more than tensors, before 1.6": (place("stub.pth"), ""),
        "TorchScript": (place("scripted.pt"), "torch.jit.load({path!r})"),
        "exported program": (place("net.pt2"), "torch.export.load({path!r})"),
        "safetensors": (place("net.safetensors"), "[t.sum() for t in load_file({path!r}).values()]"),
        "NumPy": (place("net.npz"), ""),
        "ONNX": (place("net.onnx"), "onnx.load({path!r})"),
    }


def main() -> None:
    state = rf.load(SPEC).module.state_dict()
    with tempfile.TemporaryDirectory() as folder:
        files = write_all(Path(folder), state)
        plain, safe = files["PyTorch"][0], files["safetensors"][0]
        times(plain, lambda: torch.load(plain, weights_only=True), state, "torch.load alone")
        times(safe, lambda: touched(safe), state, "load_file and each number once")
        print("peak memory, in sizes of the file")
        for name, (path, alone) in files.items():
            size = path.stat().st_size
            ours = peak(f"rf.load({str(path)!r})") / size
            theirs = f"; its own library {peak(alone.format(path=str(path))) / size:.2f}" if alone else ""
            print(f"  {name}: rf.load {ours:.2f}{theirs}")
        path = Path(folder, "net.h5")
        print(f"  Keras: rf.sparsity {peak(f'rf.sparsity({str(path)!r})') / path.stat().st_size:.2f}")


if __name__ == "__main__":
    main()
