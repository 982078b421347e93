"""The package as it is installed: links, the wheel's content, what a start imports, the error of a wrong name."""

from __future__ import annotations

import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement

import rftools

ROOT = Path(__file__).resolve().parents[2]
HEAVY = ("torch", "numpy", "scipy", "pandas", "matplotlib", "plotly", "captum", "torchvision", "timm", "skimage", "PIL")
START = f"""
import sys
from rftools.cli import main
status = 0
try:
    main(sys.argv[1:])
except SystemExit as error:
    status = error.code
print("HEAVY", *[name for name in {HEAVY!r} if name in sys.modules])
sys.exit(status)
"""


def start(*arguments: str) -> tuple[subprocess.CompletedProcess[str], list[str]]:
    """The command in a fresh interpreter, and which heavy packages it had imported in the end."""
    done = subprocess.run([sys.executable, "-c", START, *arguments], capture_output=True, text=True, timeout=120)
    lines = done.stdout.splitlines()
    assert lines, done.stderr
    assert lines[-1].startswith("HEAVY")
    return done, lines[-1].split()[1:]


@pytest.mark.parametrize("name", ["cli", "models"])
def test_links_point_to_the_top_level_folders(name: str) -> None:
    link = ROOT / "rftools" / name
    assert link.is_symlink()
    assert link.readlink() == Path("..") / name
    assert link.resolve() == ROOT / name


def test_a_checkout_whose_links_are_text_files_works(tmp_path: Path) -> None:
    """So git writes them on Windows; an editable install has the checkout on its path, as here."""
    for folder in ("rftools", "cli", "models"):
        shutil.copytree(ROOT / folder, tmp_path / folder, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("cli", "models"):
        (tmp_path / "rftools" / name).unlink()
        (tmp_path / "rftools" / name).write_text(f"../{name}")
    code = (
        "import rftools, rftools.cli, rftools.models.training.loop;"
        "print(rftools.cli.__file__, rftools.models.__file__);"
        "rftools.cli.main(['trf', 'rftools:vgg-dilated'])"
    )
    options = {"env": {**os.environ, "PYTHONPATH": str(tmp_path)}, "cwd": tmp_path / "cli"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, **options)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"{tmp_path}/cli/__init__.py {tmp_path}/models/__init__.py\n".replace("/", os.sep))
    assert "features.block1.conv" in done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    pytest.importorskip("hatchling")
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    (path,) = folder.glob("*.whl")
    return zipfile.ZipFile(path)


def test_wheel_holds_one_import_package(wheel: zipfile.ZipFile) -> None:
    tops = {name.split("/")[0] for name in wheel.namelist()}
    assert tops == {"rftools", f"rftools-{rftools.__version__}.dist-info"}


def test_wheel_holds_every_module_once_and_the_data_files(wheel: zipfile.ZipFile) -> None:
    names = wheel.namelist()
    assert len(names) == len(set(names))
    expected = {
        str(Path("rftools", *path.relative_to(ROOT).parts[folder == "rftools" :]))
        for folder in ("rftools", "cli", "models")
        for path in (ROOT / folder).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert {name for name in names if name.startswith("rftools/")} == expected
    assert "rftools/py.typed" in names
    assert any(name.startswith("rftools/reporting/page/templates/") for name in names)


def test_wheel_has_the_command_and_the_licence(wheel: zipfile.ZipFile) -> None:
    info = f"rftools-{rftools.__version__}.dist-info"
    assert "rftools = rftools.cli:main" in wheel.read(f"{info}/entry_points.txt").decode()
    assert "MIT" in wheel.read(f"{info}/licenses/LICENSE").decode()
    assert "Requires-Python: >=3.11" in wheel.read(f"{info}/METADATA").decode()


def test_extras_are_not_requirements() -> None:
    requires = [Requirement(text) for text in importlib.metadata.requires("rftools") or []]
    core = {r.name for r in requires if r.marker is None}
    assert not core & {"torchvision", "timm", "scikit-image", "mlxtend", "tensorboard", "onnx"}
    assert {"torch", "numpy", "scipy", "matplotlib", "plotly", "captum", "pandas"} <= core


BROUGHT = ("vision", "timm", "data", "tensorboard", "onnx", "keras", "transformers")
NEEDS = {
    r"torchvision:": "vision",
    r"timm:": "timm",
    r"\.onnx": "onnx",
    r"--data patches|patches|mnist5k|rftools demo": "data",
    r"tensorboard": "tensorboard",
}


@pytest.mark.parametrize("page", sorted((ROOT / "docs" / "howto").glob("*.md")), ids=lambda page: page.stem)
def test_a_how_to_names_the_extras_that_it_needs(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    blocks = "".join(re.findall(r"^```(?:bash|python|sh)\n(.*?)^```", text, re.MULTILINE | re.DOTALL))
    named = {extra for extras in re.findall(r"rftools\[([a-z,]+)\]", text) for extra in extras.split(",")}
    assert {extra for words, extra in NEEDS.items() if re.search(words, blocks)} <= named


def test_the_onnx_extra_exports_too() -> None:
    """``torch.onnx.export`` needs onnxscript, and the how-to on models exports a net."""
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    assert {"onnx", "onnxscript"} <= {Requirement(text).name for text in extras["onnx"]}


def test_the_oldest_versions_are_the_lower_bounds() -> None:
    """`make test-oldest` installs what `pyproject.toml` allows."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    texts = [*project["dependencies"], *(text for name in BROUGHT for text in extras[name])]
    texts += [text for text in extras["study"] if text.startswith("pyarrow")]  # a new one wants a new numpy
    bounds = {r.name: next(s.version for s in r.specifier if s.operator == ">=") for r in map(Requirement, texts)}
    lines = (ROOT / "tests" / "oldest.txt").read_text(encoding="utf-8").splitlines()
    pins = {r.name: next(iter(r.specifier)).version for r in map(Requirement, filter(re.compile(r"\w").match, lines))}
    assert pins.keys() == bounds.keys()
    assert [name for name, pin in pins.items() if not f"{pin}.".startswith(f"{bounds[name]}.")] == []


@pytest.mark.parametrize("flag", ["--help", "-h"])
def test_help_imports_nothing_heavy(flag: str) -> None:
    done, heavy = start(flag)
    assert (done.returncode, heavy, done.stderr) == (0, [], "")
    assert "Usage: rftools [OPTIONS] COMMAND" in done.stdout


def test_version_imports_nothing_heavy() -> None:
    done, heavy = start("--version")
    assert (done.returncode, heavy, done.stderr) == (0, [], "")
    assert done.stdout.splitlines()[0] == f"rftools {rftools.__version__}"


def test_mistyped_command_is_one_line_with_the_closest_name() -> None:
    from rftools.cli import COMMANDS

    done, heavy = start("sparsty")
    assert (done.returncode, heavy) == (2, [])
    assert done.stderr == (
        f"rftools: error: no command 'sparsty' (closest: sparsity); the commands are {', '.join(COMMANDS)}\n"
    )


def test_every_commands_help_imports_nothing_heavy() -> None:
    from rftools.cli import COMMANDS

    for name in COMMANDS:
        done, heavy = start(name, "--help")
        assert (done.returncode, heavy, done.stderr) == (0, [], ""), name
        assert f"Usage: rftools {name}" in done.stdout


def test_mistyped_option_is_one_line() -> None:
    done, heavy = start("trf", "rftools:vgg-dilated", "--jsn", "-")
    assert (done.returncode, heavy) == (2, [])
    assert done.stderr.startswith("rftools: error: No such option")
    assert done.stderr.count("\n") == 1


def test_import_of_the_package_imports_nothing_heavy() -> None:
    code = f"import sys, rftools; dir(rftools); print([n for n in {HEAVY!r} if n in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout == "[]\n", done.stderr


def test_every_exported_name_is_there() -> None:
    for name in rftools.__all__:
        assert getattr(rftools, name) is not None


def test_an_unknown_name_of_the_package_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'rftools' has no attribute 'nothing'"):
        _ = rftools.nothing  # type: ignore[attr-defined,unused-ignore]


def test_changelog_and_citation_speak_of_this_version() -> None:
    version = rftools.__version__
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    (date,) = re.findall(r"^date-released: (\S+)$", citation, re.MULTILINE)
    assert f"\nversion: {version}\n" in citation
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert re.findall(r"^## (.*)$", changelog, re.MULTILINE)[0] == f"{version} ({date})"
