"""Hostile files under an audit hook: nothing is run, opened for writing, started, or connected to; each is a result or
one line. The hook sees what the interpreter does, whatever the library.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.loading import hostile

ROOT = Path(__file__).resolve().parents[2]
WATCHED = """
import json, sys, warnings
warnings.simplefilter("ignore")
from pathlib import Path
import contextlib, importlib
import rftools as rf
from rftools.erf.images import gather
from rftools.loading import as_model
import torch, torch.hub, timm, torchvision
for name in ("numpy.testing", "sklearn.metrics"):  # as they are imported, old ones ask for the processor, set variables
    with contextlib.suppress(ImportError):
        importlib.import_module(name)

net = as_model(torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3)), (3, 12, 12))
READS = (rf.load, lambda p: rf.load(p, model="rftools:vgg-dilated"), lambda p: rf.load(p, model="own:make"), rf.info,
         rf.sparsity, lambda p: rf.load("rftools:vgg-dilated", weights=p),
         lambda p: gather(p, net, count=1, strict=True))
problems, seen, watching = [], [], False
EVENTS = ("os.system", "subprocess.Popen", "os.exec", "os.posix_spawn", "os.spawn", "os.fork", "pty.spawn",
          "os.startfile", "socket.connect", "socket.getaddrinfo", "socket.bind", "urllib.Request",
          "http.client.connect",
          "webbrowser.open", "exec", "os.mkdir", "os.remove", "os.rename", "os.symlink", "os.link", "os.truncate",
          "os.chmod", "shutil.copyfile", "shutil.move", "shutil.rmtree", "ctypes.dlopen", "marshal.loads",
          "pickle.find_class", "os.putenv", "os.kill")

def importing():
    # whether a library is being imported that is needed for the first time; which ones is looked at afterwards
    frame = sys._getframe(2)
    while frame is not None:
        if frame.f_code.co_filename == "<frozen importlib._bootstrap>":
            return True
        frame = frame.f_back
    return False

def hook(event, arguments):
    if not watching or (event in ("exec", "marshal.loads", "ctypes.dlopen") and importing()):
        return
    written = event == "open" and isinstance(arguments[1], str) and set(arguments[1]) & set("wax+")
    if event in EVENTS or written:
        seen.append([event, repr(arguments)[:200], str(now)])

def read(path):
    global now
    now = path.name
    for number, each in enumerate(READS):
        try:
            each(path)
        except rf.RequestError as error:
            if not str(error).isprintable():
                problems.append([path.name, number, "no line"])
        except BaseException as error:
            problems.append([path.name, number, f"{type(error).__name__}: {error}"[:200]])

for path in sorted(Path(sys.argv[1]).iterdir()):
    read(path)
problems.clear()
sys.addaudithook(hook)
watching = True
hostile = [Path(name) for name in json.loads(sys.stdin.read())]
for path in hostile:
    read(path)
watching = False
files = {name: str(getattr(module, "__file__", "")) for name, module in list(sys.modules.items())}
own = [name for name, file in files.items() if file.startswith(str(Path.cwd()))]
seen += [["import", name, ""] for name in (*own, "antigravity") if name in sys.modules and name != "own"]
print(json.dumps({"seen": seen, "problems": problems, "files": len(hostile)}))
"""


@pytest.mark.timeout(900)
def test_hostile_files_bring_about_nothing(tmp_path: Path) -> None:
    pytest.importorskip("timm")
    pytest.importorskip("torchvision")
    harmless, folder = tmp_path / "harmless", tmp_path / "hostile"
    for place in (harmless, folder):
        place.mkdir()
    hostile.innocent(harmless)
    files = hostile.write_all(folder)
    (folder / "own.py").write_text(
        "from rftools.models import build\ndef make(**_):\n    return build('vgg-dilated')\n"
    )
    (tmp_path / "watched.py").write_text(WATCHED)
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*") if not path.is_fifo()}
    done = subprocess.run(
        [sys.executable, tmp_path / "watched.py", harmless],
        input=json.dumps([str(path) for path in files]),
        cwd=folder, capture_output=True, text=True, timeout=800,
    )  # fmt: skip
    assert done.stdout, done.stderr[-3000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["files"] >= 60
    assert found["seen"] == []
    assert found["problems"] == []
    after = {
        path: path.stat().st_mtime_ns
        for path in folder.rglob("*")
        if not path.is_fifo() and "__pycache__" not in str(path)
    }
    assert after == before
    assert not list(tmp_path.rglob(hostile.CANARY))


def test_the_traps_would_spring(tmp_path: Path) -> None:
    """What the files hold is dangerous: Python's own unpickler runs it."""
    made = tmp_path / "hostile"
    made.mkdir()
    hostile.write_all(made)
    for name in ("system-4.bin", "reduce.pt", "inst.pt", "memo.pt"):
        command = "import pickle, sys; pickle.load(open(sys.argv[1], 'rb'))"
        subprocess.run([sys.executable, "-c", command, made / name], cwd=tmp_path, capture_output=True, timeout=120)
        assert (tmp_path / hostile.CANARY).exists(), name
        (tmp_path / hostile.CANARY).unlink()
