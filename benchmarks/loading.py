"""What loading and `info` cost beside PyTorch's and safetensors' own reading, on files of about 500 MB.

``python benchmarks/loading.py``. Processor time, the best of several runs that take turns; memory is the peak of a
process of its own (Linux), less what the imports take. The tensors that come out are compared with those that went in.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

import rftools as rf

REPEATS = 3
SPEC = "torchvision:vgg16"  # 528 MB of weights


def seconds(*functions: Callable[[], object]) -> list[float]:
    """The least processor time of each, in turns."""
    best = [float("inf")] * len(functions)
    for _ in range(REPEATS):
        for place, function in enumerate(functions):
            begin = time.process_time()
            function()
            best[place] = min(best[place], time.process_time() - begin)
    return best


def peak(code: str) -> float:
    """Peak MiB of a process that imports everything and then runs ``code``, above one that only imports."""
    script = "import torch, torchvision, rftools as rf\nfrom safetensors.torch import load_file\n"
    tail = "\nprint(next(int(line.split()[1]) / 1024 for line in open('/proc/self/status') if 'VmHWM' in line))"
    both = [subprocess.check_output([sys.executable, "-c", script + part + tail], text=True) for part in (code, "")]
    return float(both[0]) - float(both[1])


def main() -> None:
    net = rf.load(SPEC).module
    state = net.state_dict()
    with tempfile.TemporaryDirectory() as folder:
        plain, safe = Path(folder, "net.pt"), Path(folder, "net.safetensors")
        torch.save(state, plain)
        save_file(state, safe)
        for path, read, code in (
            (plain, lambda: torch.load(plain, weights_only=True), f"torch.load({str(plain)!r}, weights_only=True)"),
            (safe, lambda: load_file(safe), f"load_file({str(safe)!r})"),
        ):
            loaded = rf.load(path).module.state_dict()
            assert all(torch.equal(loaded[name], value) for name, value in state.items())
            size = path.stat().st_size / 2**20
            theirs, ours, facts = seconds(read, lambda: rf.load(path), lambda: rf.info(path))  # noqa: B023
            print(f"{path.suffix}, {size:.0f} MiB: read alone {theirs:.3f} s, rf.load {ours:.3f} s, info {facts:.3f} s")
            alone, loading = peak(code), peak(f"rf.load({str(path)!r})")
            print(f"{path.suffix}: peak memory {alone:.0f} MiB read alone, {loading:.0f} MiB by rf.load")


if __name__ == "__main__":
    main()
