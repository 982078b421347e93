"""The report: what its rules find, that its page stands alone, and that names in it stay text."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import html
import io
import itertools
import json
import re
from collections import Counter
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import rftools as rf
from rftools.cli import main
from rftools.erf.result import Measure
from rftools.errors import RequestError
from rftools.gratings import TuningResult
from rftools.plots import describe
from rftools.plots.theme import THEMES
from rftools.reporting import RULES, Subject, findings
from rftools.reporting.drawing.explorer import footprints
from rftools.reporting.drawing.figures import themed
from rftools.reporting.drawing.pictures import plane, surviving_masks
from rftools.reporting.drawing.units import stored
from rftools.reporting.findings import Thresholds
from rftools.reporting.sources.models import from_model
from rftools.reporting.sources.results import from_results
from rftools.trf.layer_field import Surviving
from tests import drawn

HOSTILE = [
    "<script>alert(1)</script>",
    "</script><script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "\"><svg onload=alert(1)>",
    "' onmouseover='alert(1)",
    "javascript:alert(1)",
    "{{ 7 * 7 }}",
    "{% raw %}",
    "${alert(1)}",
    "<!-- comment",
    "-->",
    "]]>",
    "<![CDATA[",
    "&lt;b&gt;",
    "&#x3c;b",
    "\u202edesrever",
    "\u0627\u0644\u0639\u0631\u0628\u064a\u0629",
    "\u05d0\u05d1\u05d2",
    "\u4f60\u597d",
    "\U0001f4a5",
    "a" * 10_000,
    "a b\tc\nd",
    "\x07\x1b[31m",
    "\u2028\u2029",
    "$x_1$",
    "\\u003cscript",
    "<style>*{display:none}</style>",
    "<base href=//evil>",
    "<iframe srcdoc='<script>alert(1)</script>'>",
    "url(#a)",
]  # fmt: skip


def subject(**changes: object) -> Subject:
    whole = from_results([drawn.theoretical(), drawn.effective(), drawn.sparsity(), drawn.orientation()])
    return dataclasses.replace(whole, **({"history": drawn.HISTORY} | changes))  # type: ignore[arg-type]


def page_of(tmp_path: Path, *results: object, **options: object) -> str:
    path = tmp_path / "report.html"
    rf.report(list(results), path, **options)  # type: ignore[arg-type]
    return path.read_text(encoding="utf-8")


# ---- findings: each rule fires where it should, and is silent where it should not

TUNED = TuningResult(drawn.MODEL, (3, 20, 20), ())
QUIET = Thresholds(effective_share=0.01)
Case = tuple[Callable[[], Subject], Thresholds, str]
WIDE = (drawn.axis(31, 1, -15, 3), drawn.axis(31, 1, -15, 3))
EVEN = (drawn.axis(7, 2, -3, 5), drawn.axis(7, 2, -3, 5))


def quiet() -> Subject:
    """Nothing to object to."""
    return subject(theoretical=drawn.theoretical(axes=EVEN))


FIRES: dict[str, Case] = {
    "unproductive": (
        lambda: subject(theoretical=drawn.theoretical(productive=False)),
        QUIET,
        "1 convolution of 2 cannot add context: even the smallest field of the layer's inputs is larger than the image "
        "(conv2).",
    ),
    "clipped": (
        lambda: subject(theoretical=drawn.theoretical(axes=WIDE)),
        QUIET,
        "From conv2 on, fields are larger than the image (31 pixels against 20): every unit of 1 convolution of 2 also "
        "looks at padding.",
    ),
    "objects": (
        lambda: subject(),
        Thresholds(effective_share=0.01, objects=((8, 9),)),
        "No convolution can see an object of 8x9 pixels whole.",
    ),
    "misaligned": (
        lambda: subject(theoretical=drawn.theoretical(aligned=False)),
        QUIET,
        "Branches meet out of line in 1 layer: their strides or centres differ (conv2).",
    ),
    "gridding": (
        lambda: subject(),
        QUIET,
        "The field of conv2, the deepest that does not span the image, has holes: along an axis, 11 % of its pixels "
        "reach the unit by no path (gridding).",
    ),
    "unknown": (
        lambda: subject(theoretical=drawn.theoretical(status="unknown", cause="no rule for aten.fold")),
        QUIET,
        "The field of 1 layer is not known (conv2); the first cause: no rule for aten.fold.",
    ),
    "lost field": (
        lambda: subject(theoretical=_pruned(0.4)),
        QUIET,
        "Pruning took part of the field of 1 layer of 2: conv2 keeps 40 % of its pixels (7x3 of 15x9 px).",
    ),
    "small effective field": (
        lambda: subject(effective=drawn.effective(luo=3.0)),
        Thresholds(),
        "conv2 uses a small part of what it can see: half of the gradient lies within 20 % of the "
        "theoretical side (95 % interval 17 to 23 %).",
    ),
    "partial": (
        lambda: subject(effective=dataclasses.replace(drawn.effective(), partial=True)),
        QUIET,
        "The measurement of effective fields was interrupted after 2 layers: the figures may still change.",
    ),
    "dead units": (
        lambda: subject(effective=_dead()),
        QUIET,
        "Nothing in any of the images moves the measured unit of 1 layer (conv1): its gradient is zero.",
    ),
    "dead filters": (
        lambda: subject(sparsity=drawn.sparsity(dead=3)),
        QUIET,
        "3 filters in 1 layer lost all weights and give a constant (conv1).",
    ),
    "dead inputs": (
        lambda: subject(sparsity=_unread(2)),
        QUIET,
        "2 channels in 1 layer are read by no filter (conv1).",
    ),
    "anisotropic": (
        lambda: subject(orientation=drawn.orientation(q=0.01)),
        QUIET,
        "Kernels of 1 of 1 layer with oriented kernels share a direction, more than chance explains (conv1); most of "
        "all those of conv1, along 25° (resultant 0.30).",
    ),
    "overfitting": (
        lambda: subject(history=({"epoch": 1, "accuracy": 0.9, "val_accuracy": 0.6},)),
        QUIET,
        "Accuracy is 90 % on the training data, but 60 % on held-out data.",
    ),
    "guessing": (
        lambda: subject(history=({"epoch": 1, "val_accuracy": 0.2},), classes=("a", "b", "c", "d")),
        QUIET,
        "The net guesses: it is right for 20.0 % of the held-out data, and chance alone would be for 25.0 %.",
    ),
}  # fmt: skip


def _dead() -> object:
    whole = drawn.effective()
    first = dataclasses.replace(whole.layers[0], map=0 * whole.layers[0].map)
    return dataclasses.replace(whole, layers=(first, whole.layers[1]))


def _pruned(share: float) -> object:
    """Nothing lost in the first layer; in the second a share of the pixels and parts of both sides."""
    whole = drawn.theoretical(axes=(drawn.axis(15, 1, -7, 8), drawn.axis(9, 1, -4, 8)))
    first, second, *rest = whole.layers
    rows = (
        dataclasses.replace(first, surviving=Surviving((3, 3), ((9, 11), (9, 11)), 1.0)),
        dataclasses.replace(second, surviving=Surviving((7, 3), ((4, 10), (7, 9)), share)),
    )
    return dataclasses.replace(whole, layers=(*rows, *rest))


def _unread(inputs: int) -> object:
    whole = drawn.sparsity()
    return dataclasses.replace(whole, layers=(dataclasses.replace(whole.layers[0], dead_inputs=inputs),))


def test_every_rule_has_a_case() -> None:
    assert {rule.name for rule in RULES} == set(FIRES)
    assert all(rule.asks for rule in RULES)


@pytest.mark.parametrize("name", FIRES)
def test_a_rule_fires(name: str) -> None:
    make, limits, sentence = FIRES[name]
    found = [item for item in findings(make(), limits) if item.rule == name]
    assert [item.sentence for item in found] == [sentence]
    assert found[0].level != "fine"
    assert found[0].figure
    assert found[0].threshold


@pytest.mark.parametrize("name", FIRES)
def test_a_rule_is_silent_where_nothing_is_wrong(name: str) -> None:
    found = findings(quiet(), Thresholds(effective_share=0.01, objects=((7, 7),)))
    assert [item for item in found if item.rule == name and item.level != "fine"] == []


def test_nothing_found_is_a_finding() -> None:
    first, *rest = findings(quiet(), QUIET)
    assert first.sentence.startswith("Nothing here needs attention: 15 rules looked at theoretical field, effective")
    assert all(item.level == "fine" for item in rest)


def test_problems_come_first() -> None:
    levels = [item.level for item in findings(subject(sparsity=drawn.sparsity(dead=1)), Thresholds())]
    assert levels == sorted(levels, key=["problem", "notice", "fine"].index)


@pytest.mark.parametrize("share, levels", [(0.0, ["problem"]), (0.9499, ["notice"]), (0.95, ["fine"])])
def test_lost_field_at_its_border(share: float, levels: list[str]) -> None:
    found = findings(subject(theoretical=_pruned(share)), QUIET)
    assert [item.level for item in found if item.rule == "lost field"] == levels


def test_an_object_that_fits_is_named_with_its_layer() -> None:
    (item,) = [f for f in findings(quiet(), Thresholds(objects=((5, 6),))) if f.rule == "objects"]
    assert (item.level, item.sentence) == ("fine", "An object of 5x6 pixels first fits into the field of conv2.")


def test_two_of_a_thousand_kernels_are_no_layers_direction() -> None:
    """A share of oriented kernels is asked for, at its border; a net that is not pruned is told apart first."""
    row = drawn.orientation(q=0.01).layers[0]
    for oriented, speaks in ((49, False), (50, True)):
        few = dataclasses.replace(row, kernels=1000, oriented=oriented)
        found = findings(subject(orientation=dataclasses.replace(drawn.orientation(), layers=(few,))), QUIET)
        assert any(item.rule == "anisotropic" for item in found) == speaks
    whole = dataclasses.replace(drawn.orientation(q=0.01), mass="abs")
    (item,) = [item for item in findings(subject(orientation=whole), QUIET) if item.rule == "anisotropic"]
    assert item.level == "fine"
    assert item.sentence.startswith("Nothing was pruned, so kernels are oriented by the size of their weights alone")


def test_a_net_that_is_not_pruned_is_oriented_by_weight() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(1, 4, 5))
    for share, mass in ((0.0, "abs"), (0.9, "survivors")):
        net[0].weight.data[torch.rand_like(net[0].weight) < share] = 0
        made = from_model(net, (1, 16, 16), None)
        assert made.orientation is not None
        assert made.orientation.mass == mass
        assert made.orientation.layers == rf.orientation(net, input_size=(1, 16, 16), mass=mass).layers


def test_random_weights_are_said_first_and_in_what_rests_on_them(tmp_path: Path) -> None:
    """No finding about an effective field of random weights is worded as a fact about a trained net."""
    drawn_ = dataclasses.replace(drawn.MODEL, weights="random, seed 3")
    small = dataclasses.replace(drawn.effective(luo=3.0), model=drawn_)
    made = [small, *(dataclasses.replace(make(), model=drawn_) for make in (drawn.theoretical, drawn.orientation))]
    page = html.unescape(page_of(tmp_path, *made))
    banner = page.index("Random weights. These weights were never trained (random, seed 3).")
    assert banner < page.index('<section id="findings"')
    sentences = {item.rule: item.sentence for item in findings(from_results(made), Thresholds())}
    assert sentences["small effective field"].startswith("With random weights: conv2 uses a small part")
    assert sentences["anisotropic"].startswith("With random weights: ")
    assert not sentences["gridding"].startswith("With random weights")
    trained = html.unescape(page_of(tmp_path, drawn.effective(luo=3.0)))
    assert "Random weights" not in trained
    assert "With random weights" not in trained


def test_every_column_is_explained(tmp_path: Path) -> None:
    from rftools.reporting.texts import TEXTS

    columns = {column for make in RESULTS for column in make().columns()} | set(TUNED.columns())
    assert columns <= TEXTS["columns"].keys()
    page = html.unescape(page_of(tmp_path, *(make() for make in RESULTS)))
    for column in {column for make in RESULTS for column in make().columns()}:
        assert f'title="{TEXTS["columns"][column]}"' in page


def test_the_limits_are_where_they_say() -> None:
    gap = ({"epoch": 1, "accuracy": 0.75, "val_accuracy": 0.5},)  # exactly 0.25 in binary
    fires = [f.rule for f in findings(subject(history=gap), Thresholds(accuracy_gap=0.2499))]
    silent = [f.rule for f in findings(subject(history=gap), Thresholds(accuracy_gap=0.25))]
    assert "overfitting" in fires
    assert "overfitting" not in silent


# ---- the page


class Reader(HTMLParser):
    """Collects what matters: elements, ids, words, and whatever could load or run something."""

    def __init__(self) -> None:
        super().__init__()
        self.ids: Counter[str] = Counter()
        self.elements: Counter[str] = Counter()
        self.references: list[str] = []
        self.handlers: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.elements[tag] += 1
        for name, value in attributes:
            if name == "id":
                self.ids[value or ""] += 1
            if name in ("src", "href", "xlink:href", "action", "srcset", "data", "poster"):
                self.references.append(value or "")
            if name.startswith("on"):
                self.handlers.append(name)


def read(page: str) -> Reader:
    reader = Reader()
    reader.feed(page)
    return reader


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("page")
    return page_of(folder, drawn.theoretical(), drawn.effective(), drawn.sparsity(), drawn.orientation())


def test_the_page_loads_nothing_and_runs_only_its_own_script(page: str) -> None:
    reader = read(page)
    assert all(reference.startswith(("#", "data:image/png;base64,")) for reference in reader.references)
    assert reader.handlers == []
    assert reader.elements["link"] == reader.elements["iframe"] == 0
    scripts = re.findall(r'<script type="module">(.*?)</script>', page, re.DOTALL)
    assert len(scripts) == 1
    digest = base64.b64encode(hashlib.sha256(scripts[0].encode()).digest()).decode()
    assert f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{digest}'" in page
    named = re.sub(r"/\*.*?\*/", "", page, flags=re.DOTALL)  # licences name places, and namespaces look like some
    assert "http://" not in re.sub(r'xmlns(:\w+)?="[^"]*"|"http://www.w3.org/[^"]*"', "", named)
    assert "https://" not in named


def test_the_page_says_nothing_of_the_disk(page: str) -> None:
    assert "best.pt" in page
    assert "private" not in page
    assert str(Path.cwd()) not in page


def test_ids_are_unique_and_links_lead_somewhere(page: str) -> None:
    reader = read(page)
    assert [name for name, count in reader.ids.items() if count > 1] == []
    places = {reference[1:] for reference in reader.references if reference.startswith("#")}
    targets = {place for place in places if not place.startswith("layer=")}
    assert {unquote(place.removeprefix("layer=")) for place in places - targets} <= {"conv1", "conv2", "pool"}
    assert targets <= set(reader.ids)


def test_sections_without_input_say_what_would_fill_them(tmp_path: Path) -> None:
    text = html.unescape(page_of(tmp_path, drawn.sparsity()))
    for remedy in ("--input-size CxHxW", "--images FOLDER", "pruned kernels", "rftools train"):
        assert remedy in text
    assert "Not among the results that were given." in text


def test_tables_hold_the_results(page: str) -> None:
    rows = re.search(r'<table id="theoretical-table">.*?</table>', page, re.DOTALL)
    assert rows is not None
    cells = [re.sub("<[^>]+>", "", row).split() for row in re.findall(r"<tr>(.*?)</tr>", rows.group(), re.DOTALL)]
    assert len(cells) == 4
    assert 'data-key="-3.0"' in rows.group()  # raw values to sort by


def test_the_method_names_the_command_and_the_versions(tmp_path: Path) -> None:
    text = html.unescape(page_of(tmp_path, drawn.sparsity(), command="rftools report best.pt -o r.html"))
    assert "rftools report best.pt -o r.html" in text
    found = re.search(r"Memory at most</dt><dd><bdi>([\d,]+) MB", text)
    assert found is not None
    assert 50 < float(found[1].replace(",", "")) < 1e6
    assert f"rftools {rf.__version__}, torch {torch.__version__.split('+')[0]}" in text


def test_a_drawing_follows_the_theme() -> None:
    text = themed(describe(drawn.sparsity()))
    for role, colour in THEMES["light"].colours.items():
        assert colour not in text, role
    assert "var(--series-1)" in text
    assert 'role="img" aria-label="Histograms of surviving taps' in text


def named(result: object, names: list[str]) -> object:
    """The result with its first layer once under each name, and hostile all around."""
    rows = result.layers  # type: ignore[attr-defined]
    model = dataclasses.replace(drawn.MODEL, name=HOSTILE[1] + names[-1], spec=names[0])
    copies = tuple(dataclasses.replace(rows[0], name=name) for name in names)
    return dataclasses.replace(result, layers=(*copies, *rows[1:]), model=model)  # type: ignore[type-var]


RESULTS = (drawn.theoretical, drawn.effective, drawn.sparsity, drawn.orientation)


@pytest.mark.filterwarnings("error")
def test_hostile_names_are_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for limit in (
        "effective.sheet.SHEET",
        "sparsity.taps.MOST",
        "orientation.roses.MOST",
    ):  # names, not panels, are what matters here
        monkeypatch.setattr(f"rftools.plots.{limit}", 2)
    harmless = read(page_of(tmp_path, *(named(make(), [f"n{i}" for i in range(len(HOSTILE))]) for make in RESULTS)))
    text = page_of(tmp_path, *(named(make(), HOSTILE) for make in RESULTS))
    reader = read(text)
    assert reader.handlers == []
    assert all(r.startswith(("#", "data:image/png;base64,")) for r in reader.references)
    for element in (
        "script",
        "style",
        "table",
        "tr",
        "section",
        "figure",
        "iframe",
        "base",
        "main",
        "option",
        "svg",
        "img",
    ):
        assert reader.elements[element] == harmless.elements[element], element
    data = re.search(r'<script type="application/json" id="explorer-data">(.*?)</script>', text, re.DOTALL)
    assert data is not None
    assert [layer["name"] for layer in json.loads(data.group(1))["layers"]][: len(HOSTILE)] == HOSTILE


# ---- the explorer's data


def test_footprints_give_every_unit_its_window() -> None:
    net = nn.Sequential(
        nn.Conv2d(1, 2, 3, stride=2, padding=1),
        nn.Conv2d(2, 2, 3, dilation=(2, 3), padding=2),
        nn.ConvTranspose2d(2, 2, 4, stride=2, padding=1),
        nn.Conv2d(2, 2, 3),
    )
    layers = {layer["name"]: layer for layer in footprints(rf.theoretical(net, input_size=(1, 24, 30)))}
    for unit in ((0, 0), (3, 4), (7, 5), (2, 9)):
        for row in rf.theoretical(net, input_size=(1, 24, 30), unit=unit):
            if row.unit is None:
                continue
            entry = layers[row.name]
            assert entry["movable"]
            for axis, data, index in zip(row.axes, entry["axes"], unit, strict=True):
                phase = data["phases"][index % len(data["phases"])]
                low = phase["start"] + index // len(data["phases"]) * data["jump"]
                assert (low, low + phase["size"] - 1) == axis.window


def test_what_pruning_left_is_the_support_of_the_weights_that_are_there() -> None:
    """The mask against brute force: which input pixels change the unit at all when weights are positive or zero."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(1, 2, 3, padding=1), nn.Conv2d(2, 2, 3, stride=2, padding=2, dilation=2))
    for conv in net:
        conv.weight.data = torch.rand_like(conv.weight) * (torch.rand_like(conv.weight) < 0.3)  # type: ignore[union-attr]
    result = rf.theoretical(net, input_size=(1, 18, 24), surviving=True)
    masks = surviving_masks(result)
    image = torch.zeros(1, 1, 18, 24, requires_grad=True)
    for depth, name in ((1, "0"), (2, "1")):
        entry = masks[name]
        output = net[:depth](image)[0, :, entry["unit"][0], entry["unit"][1]].sum()
        alive = torch.autograd.grad(output, image)[0][0, 0] > 0
        shown = np.zeros((18, 24), dtype=bool)
        picture = Image.open(io.BytesIO(base64.b64decode(entry["url"].partition(",")[2]))).convert("RGBA")
        rows, columns = (slice(entry[a], entry[a] + entry[b]) for a, b in (("y", "height"), ("x", "width")))
        shown[rows, columns] = np.asarray(picture)[..., 3] > 0
        assert (shown == alive.numpy()).all()
        assert entry["pixels"] == int(alive.sum())
        assert entry["movable"]


def test_the_ellipse_lies_where_the_map_does() -> None:
    """A Gaussian of known middle and axes: the explorer's ellipse is it, half a pixel further in the picture."""
    maps = stored(drawn.effective().central())
    ellipse = maps["conv2"]["units"][0]["ellipse"]
    assert ellipse == {"cx": pytest.approx(10.5, abs=0.1), "cy": pytest.approx(10.5, abs=0.1),
                       "rx": 3.0, "ry": 1.5, "angle": 30.0}  # fmt: skip


def test_a_unit_outside_the_plane_of_the_picture() -> None:
    assert plane((3, 5, 7, 9)) == (7, 9)


# ---- the call and the command


def test_a_module_becomes_a_page(tmp_path: Path) -> None:
    net = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 4, 3, padding=1))
    path = rf.report(net, tmp_path / "r.html", input_size=(3, 16, 16), count=2)
    text = path.read_text()
    for key in ("theoretical-growth", "theoretical-window", "effective-map", "effective-sheet"):
        assert f'id="{key}"' in text
    assert "nothing was pruned" in text


def test_a_model_that_no_analysis_takes_still_gets_its_page(tmp_path: Path) -> None:
    net = nn.Linear(4, 2)
    text = html.unescape(rf.report(net, tmp_path / "r.html").read_text())
    assert "the input size of Linear is not known" in text


def test_effective_can_be_left_out(tmp_path: Path) -> None:
    net = nn.Conv2d(3, 4, 3)
    text = rf.report(net, tmp_path / "r.html", input_size=(3, 8, 8), effective=False).read_text()
    assert "It was left out on request." in text


def refusal(*args: object, **options: object) -> str:
    with pytest.raises(RequestError) as caught:
        rf.report(*args, **options)  # type: ignore[arg-type]
    return str(caught.value)


def test_wrong_requests(tmp_path: Path) -> None:
    page = tmp_path / "r.html"
    assert refusal(drawn.sparsity(), "r.pdf") == "a report is one HTML page: r.pdf must end in .html or .htm"
    assert refusal([], page) == "a report needs a model or results, and none was given"
    assert refusal(drawn.sparsity(), tmp_path) == f"cannot write {tmp_path}: it is a folder; name a file"
    two = [drawn.sparsity(), drawn.sparsity()]
    assert refusal(two, page) == "two sparsity results of toy; a report shows one of each"
    many = [
        dataclasses.replace(drawn.sparsity(), model=dataclasses.replace(drawn.MODEL, name=str(i))) for i in range(13)
    ]
    assert (
        refusal(many, page)
        == "13 models are more than one page shows legibly (12); write several reports"
        == refusal([nn.Linear(1, 1)] * 13, page)
    )
    assert refusal([drawn.theoretical(), nn.Linear(1, 1)], page) == "a report takes models or results, not both at once"
    assert refusal(3, page) == "a model is a loaded Model or a torch.nn.Module, not int"
    picture = tmp_path / "p.png"
    assert refusal(drawn.theoretical(), page, picture=picture) == f"no such file: {picture}"
    picture.write_text("no picture")
    assert refusal(drawn.theoretical(), page, picture=picture).startswith("p.png is no picture that can be read")
    assert not page.exists()


def command(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    status = 0
    try:
        main(["report", *arguments])
    except SystemExit as stop:
        status = int(stop.code or 0)
    return status, capsys.readouterr().err


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = str(tmp_path / "r.html")
    given = ("rftools:vgg-dilated", "-o", path, "--no-effective", "--object", "16x16")
    assert command(capsys, *given) == (0, f"wrote {path}\n")
    text = html.unescape(Path(path).read_text())
    assert "random, seed 0" in text
    assert "rftools report rftools:vgg-dilated --no-effective --object 16x16 -o r.html" in text
    assert command(capsys, *given) == (0, f"wrote {path}\n")  # a page that exists is replaced
    assert command(capsys, *given, "--force")[0] == 0
    status, line = command(capsys, "rftools:vgg-dilated", "-o", path, "--force", "--object", "big")
    assert status == 2
    assert line == "rftools: error: object 'big' is not WxH with positive whole numbers of pixels, such as 64x48\n"


def test_the_page_as_markdown(tmp_path: Path) -> None:
    """The same findings and tables; names stay text whatever Markdown would make of them."""
    target = tmp_path / "r.md"
    names = ["a|b", "*bold*", "<script>alert(1)</script>", "`code`", "[link](http://evil)", "two\nlines"]
    page_of(tmp_path, *(named(make(), names) for make in RESULTS), markdown_path=target)
    text = target.read_text(encoding="utf-8")
    rows = [re.split(r"(?<!\\)\|", line) for line in text.splitlines() if line.startswith("|")]
    heads = [above for above, row in itertools.pairwise(rows) if row[1].strip() == "---"]
    assert [len(head) - 2 for head in heads] == [len(make().columns()) for make in RESULTS]
    shown = {row[1].strip() for row in rows}
    assert {r"a\|b", r"\*bold\*", r"\<script\>alert(1)\</script\>", r"\`code\`", r"\[link\](http://evil)"} <= shown
    assert "two\ufffdlines" in shown
    whole = from_results([named(make(), names) for make in RESULTS])  # type: ignore[misc]
    assert text.count("\n- **") == len(findings(whole))


@pytest.mark.slow
def test_thousands_of_layers_make_a_page(tmp_path: Path) -> None:
    net = nn.Sequential(*(nn.Conv2d(1, 1, 3, padding=1) for _ in range(5000)))
    path = rf.report(net, tmp_path / "r.html", input_size=(1, 64, 64), effective=False)
    text = path.read_text(encoding="utf-8")
    assert len(text) < 8_000_000
    assert "The first 2000 of 5001 rows" in text
    data = re.search(r'id="explorer-data">(.*?)</script>', text, re.DOTALL)
    assert data is not None
    assert len(json.loads(data.group(1))["layers"]) == 5001


def test_a_pdf_needs_a_browser(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("shutil.which", lambda name: None)
    page = tmp_path / "r.html"
    line = (
        "no browser found to print the PDF; install Chromium (apt-get install chromium), or open the page and print it"
    )
    given = ("rftools:vgg-dilated", "-o", str(page), "--no-effective", "--pdf", str(tmp_path / "r.pdf"))
    assert command(capsys, *given) == (2, f"rftools: error: {line}\n")
    assert not page.exists()


def test_what_is_read_is_not_written_over_unasked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    there = tmp_path / "fields.json"
    rf.theoretical(rf.load("rftools:vgg-dilated")).to_json(there)
    before = there.read_text()
    for flag in ("--json", "--markdown", "--pdf"):
        given = (str(there), "-o", str(tmp_path / "r.html"), flag, str(there))
        line = f"{there} is read by this command; name another file, or --force to write over it"
        assert command(capsys, *given) == (2, f"rftools: error: {line}\n")
    assert there.read_text() == before


def test_the_findings_and_results_as_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The JSON beside the page holds what the analyses' own JSON holds."""
    import json

    from rftools.cli import main

    page = tmp_path / "r.html"
    main(["report", "rftools:vgg-strided", "-o", str(page), "--no-effective", "--json", "-"])
    answer = json.loads(capsys.readouterr().out)
    assert answer["schema"] == {"name": "rftools.report", "version": 1}
    (entry,) = answer["models"]
    main(["trf", "rftools:vgg-strided", "--json", "-"])
    assert entry["theoretical"]["layers"] == json.loads(capsys.readouterr().out)["layers"]
    assert entry["effective"] is None
    assert {"rule", "level", "sentence"} <= set(entry["findings"][0])
    assert page.exists()


def test_the_effective_size_of_known_maps() -> None:
    """A Gaussian's is its width at half height, an evenly filled square's 0.80 of its side: closed forms."""
    from rftools.checks.sizes import effective_size
    from rftools.erf.measures import Frame
    from rftools.erf.measures.radial import radius_50

    def size_of(values: np.ndarray) -> float:
        side = len(values)
        frame = Frame((side // 2, side // 2), (side, side), (side, side), (0, 0))
        radius = float(radius_50(values[None], frame)[0])
        found = effective_size(
            dataclasses.replace(
                drawn.effective()["conv2"], measures={"radius_50": Measure(radius, radius - 1, radius + 1, "px")}
            )
        )
        assert found is not None
        assert (found[1], found[2]) == (pytest.approx(found[0] - 2), pytest.approx(found[0] + 2))
        return found[0]

    y, x = np.indices((121, 121)) - 60.0
    assert size_of(np.exp(-(x**2 + y**2) / (2 * 12.0**2))) == pytest.approx(2 * 12 * np.sqrt(2 * np.log(2)), rel=0.005)
    assert size_of(np.ones((101, 101))) == pytest.approx(101 * 2 / np.sqrt(2 * np.pi), rel=0.005)


def test_the_explorer_opens_on_the_deepest_layer_that_was_measured(tmp_path: Path) -> None:
    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Conv2d(2, 2, 3), nn.ReLU())
    results = [rf.theoretical(net, input_size=(1, 16, 16)), rf.effective(net, torch.randn(2, 1, 16, 16))]
    for measured, name in ((results, "1"), (results[:1], "")):  # the whole net's own output is the last
        text = page_of(tmp_path, *measured)
        data = re.search(r'id="explorer-data">(.*?)</script>', text, re.DOTALL)
        assert data is not None
        page = json.loads(data.group(1))
        assert page["layers"][page["start"]]["name"] == name


@pytest.mark.parametrize(
    ("asked", "line"),
    [({"images": "no/such/folder"}, "no such file or folder"), ({"layers": ["nope"]}, "no layer matches")],
)
def test_images_and_layers_that_are_not_there_are_refused(asked: dict[str, Any], line: str, tmp_path: Path) -> None:
    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Conv2d(2, 2, 3))
    with pytest.raises(rf.RequestError, match=line):
        rf.report(net, tmp_path / "r.html", input_size=(1, 16, 16), **asked)
    assert not (tmp_path / "r.html").exists()


def test_a_report_of_many_layers_measures_those_that_say_most() -> None:
    """Where the resolution changes, before that, first and last, and some between; all of a small net."""
    from rftools.reporting.subject.stages import FEW, MOST, stages

    def chain(*strides: int) -> list[str]:
        parts = [nn.Conv2d(1, 1, 3, stride=stride, padding=1) for stride in strides]
        rows = rf.theoretical(nn.Sequential(*parts), input_size=(1, 64, 64)).layers
        return [row.name for row in stages(rows[: len(strides)])]

    assert chain(1, 1, 2, 1) == ["0", "1", "2", "3"]
    few = chain(*[1] * 20, 2, *[1] * 19)
    assert len(few) == FEW
    assert {"0", "19", "20", "39"} <= set(few)
    assert len(chain(*[2, 1] * 20)) == MOST


def test_a_report_says_which_layers_it_measured(tmp_path: Path) -> None:
    parts = [nn.Conv2d(1, 2, 3, padding=1), *(nn.Conv2d(2, 2, 3, padding=1) for _ in range(14))]
    net = nn.Sequential(*parts)
    page = rf.report(net, tmp_path / "few.html", input_size=(1, 16, 16), count=2).read_text()
    assert "Measured were 12 of the 15 layers that hold weights" in page
    body = tmp_path / "all.json"
    rf.report(net, tmp_path / "all.html", input_size=(1, 16, 16), count=2, layers=["*"], json_path=body)
    assert len(json.loads(body.read_text())["models"][0]["effective"]["layers"]) == 15
    assert "Measured were" not in (tmp_path / "all.html").read_text()


def test_channels_of_effective_fields_have_roses_where_that_is_quick() -> None:
    from rftools.erf import effective_orientation
    from rftools.reporting.sections import directions

    net = nn.Sequential(nn.Conv2d(3, 8, 5, padding=2), nn.Tanh(), nn.Conv2d(8, 8, 3, padding=1))
    options = {"images": "white", "count": 2, "seed": 3}
    subject = from_model(net, (3, 16, 16), options)
    own = effective_orientation(net, "white", ["0", "2"], input_size=(3, 16, 16), count=2, seed=3)
    assert subject.part("directions").to_dict()["layers"] == own.to_dict()["layers"]
    assert [figure.key for figure in directions.figures(subject)] == ["directions-polar"]
    wide = from_model(nn.Sequential(nn.Conv2d(3, 600, 15, padding=7)), (3, 16, 16), options)
    assert wide.missing["directions"].startswith("The channels of no measured layer could be looked at")
    assert from_model(net, (3, 16, 16), None).missing["directions"] == "It was left out on request."
