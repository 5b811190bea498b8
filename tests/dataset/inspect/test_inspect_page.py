"""The page of inspect: its text, and what a real browser makes of it."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from html import escape, unescape
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from odtool.dataset.inspect import inspect_page
from odtool.dataset.inspect.inspection import Inspection, InspectSettings, inspect
from odtool.dataset.types import Source
from odtool.visual import histograms, html_page

VocSet = Callable[..., Path]
EVIL = "<img src=x onerror=alert(1)>\"'&"

PROBE = """<script>addEventListener("load", () => {
  const pictures = [...document.images];
  parent.document.body.dataset.seen = JSON.stringify({
    pictures: pictures.length,
    loaded: pictures.filter(picture => picture.complete && picture.naturalWidth > 0).length,
    width: innerWidth,
    content: document.documentElement.scrollWidth,
    outside: [...document.querySelectorAll("body *")].filter(
      part => part.getBoundingClientRect().right > innerWidth + 1 && !part.closest(".scroll, svg")).length,
    requests: performance.getEntriesByType("resource").filter(entry => !entry.name.startsWith("data:")).length,
    boxes: document.querySelectorAll(".shot rect").length,
    ground: getComputedStyle(document.body).backgroundColor,
  });
});</script></body>"""


def found_in(root: Path, **options: Any) -> Inspection:
    return inspect(InspectSettings((Source(root),), **options))


@pytest.fixture
def evil_set(voc_set: VocSet, voc_xml: Callable[..., str]) -> Path:
    """Twelve images, two of them with problems; one file and one class have names that are HTML."""
    root = voc_set(12)
    boxes = [("cat", -5, 2, 30, 60), ("cat", 5, 5, 5, 9), ("&lt;img src=x onerror=alert(1)&gt;\"'&amp;", 3, 2, 30, 40)]
    (root / "annotations" / "00000.xml").write_text(voc_xml("00000.jpg", boxes))
    for folder, ending in (("images", ".jpg"), ("annotations", ".xml")):
        (root / folder / f"00001{ending}").rename(root / folder / f"<b>'&quot;\"{ending}")
    return root


class Parts(HTMLParser):
    """Counts elements and the attributes that would load something."""

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []
        self.loads: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.append(tag)
        self.loads += [value or "" for name, value in attrs if name in ("src", "href")]
        assert not [name for name, _ in attrs if name.startswith("on")]


def test_names_of_strangers_are_text_and_nothing_is_loaded(evil_set: Path) -> None:
    html = inspect_page.render(found_in(evil_set))
    parts = Parts()
    parts.feed(html)
    assert "script" not in parts.names
    assert parts.names.count("img") == parts.names.count("figure") == 12
    assert all(load.startswith("data:") for load in parts.loads)
    assert "http" not in html.replace("http-equiv", "")
    assert EVIL in unescape(html)
    assert "<b>'" not in html
    assert "<b>&lt;b&gt;&#x27;&amp;quot;&quot;.jpg</b>" in html


def test_problems_are_listed_with_their_first_files(evil_set: Path, voc_xml: Callable[..., str]) -> None:
    many = [("cat", -1, 2, 30 + number, 40) for number in range(1, 11)]
    (evil_set / "annotations" / "00003.xml").write_text(voc_xml("00003.jpg", many))
    html = inspect_page.render(found_in(evil_set))
    assert html.index("box outside") < html.index("class rare")
    assert f"<code>{evil_set / 'annotations' / '00000.xml'}</code>" in html
    assert html.count("and 1 more") == 1


def test_an_image_that_cannot_be_shown_says_why(voc_set: VocSet) -> None:
    root = voc_set(2)
    found = found_in(root)
    (root / "images" / "00000.jpg").unlink()
    (root / "images" / "00001.jpg").write_bytes(b"no image")
    assert inspect_page.render(found).count("cannot be shown") == 2


def test_a_picture_takes_few_bytes_whatever_the_image(tmp_path: Path, voc_xml: Callable[..., str]) -> None:
    from PIL import Image

    Image.effect_noise((2000, 1500), 90).convert("RGB").save(tmp_path / "a.png")
    (tmp_path / "a.xml").write_text(voc_xml("a.png", [("cat", number, 2, 900, 400) for number in range(500)]))
    found = found_in(tmp_path)
    (source,) = re.findall('src="([^"]+)"', inspect_page.render(found))
    assert len(source) < 4 / 3 * 40_000 + 40
    assert len(inspect_page.render(found)) < 150_000


def test_labels_stay_within_the_picture_and_off_each_other() -> None:
    drawn = html_page.draw_labels([((95, 50), "raccoon"), ((90, 52), "hidden"), ((0, 0), "corner")], (100, 100))
    assert "hidden" not in drawn
    places = {word: (float(x), float(y)) for x, y, word in re.findall('x="(.+?)" y="(.+?)".*?>(.*?)</text>', drawn)}
    assert set(places) == {"raccoon", "corner"}
    assert 0 < places["raccoon"][0] < 80
    assert min(places["corner"]) > 0


def test_without_samples_no_image_is_opened(voc_set: VocSet, monkeypatch: pytest.MonkeyPatch) -> None:
    found = replace(found_in(voc_set(3)), samples=())
    monkeypatch.setattr(inspect_page.image_file, "read_bytes", None)
    assert "<figure" not in inspect_page.render(found)


def test_plots_of_nothing_are_plots() -> None:
    assert "<svg" in histograms.draw_columns({}, "nothing")
    assert "<svg" in histograms.draw_columns({"a": 0}, "nothing")
    assert "<svg" in histograms.draw_heat_map([[0]], "a", "b")
    assert "<svg" in histograms.draw_bubbles({}, "a", "b")


@pytest.mark.parametrize(("value", "rounded"), [(1, 1), (7, 8), (640, 800), (1000, 1000), (1333, 1500), (9999, 10000)])
def test_axes_end_at_round_numbers(value: int, rounded: int) -> None:
    assert f">{rounded:,}<" in histograms.draw_bubbles({(value, 1): 3}, "a", "b")


@pytest.mark.slow
@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_browser_shows_every_picture_and_nothing_sticks_out(
    evil_set: Path, opened: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path, width: int, scheme: str
) -> None:
    html = inspect_page.render(found_in(evil_set))
    # The page allows no scripts, so that the copy that is probed has to do without the policy.
    probed = re.sub("<meta http-equiv[^>]*>", "", html).replace("</body>", PROBE)
    # A window is never narrower than 500 pixels; a frame may be.
    frame = f"<body><iframe style='border:0; width:{width}px; height:1200px' srcdoc='{escape(probed)}'></iframe></body>"
    (tmp_path / "page.html").write_text(frame)
    colours = f"--blink-settings=preferredColorScheme={int(scheme == 'light')}"
    done = opened(tmp_path / "page.html", colours)
    (text,) = re.findall('data-seen="([^"]*)"', done.stdout)
    seen = json.loads(unescape(text))
    assert (seen["pictures"], seen["loaded"]) == (12, 12)
    assert seen["boxes"] == 13
    assert (seen["width"], seen["content"], seen["outside"], seen["requests"]) == (width, width, 0, 0)
    assert seen["ground"] == {"light": "rgb(245, 246, 248)", "dark": "rgb(15, 19, 24)"}[scheme]


@pytest.mark.slow
def test_a_browser_has_nothing_to_complain_about(
    evil_set: Path, opened: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    (tmp_path / "page.html").write_text(inspect_page.render(found_in(evil_set)))
    assert "CONSOLE" not in opened(tmp_path / "page.html").stderr
    # That a complaint would be seen: the policy refuses what this adds.
    spoilt = (tmp_path / "page.html").read_text().replace("</body>", "<img src='other.png'></body>")
    (tmp_path / "spoilt.html").write_text(spoilt)
    assert "CONSOLE" in opened(tmp_path / "spoilt.html").stderr


@pytest.mark.slow
def test_a_browser_paints_the_pictures(
    shared_data: Path, opened: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    from PIL import Image

    (tmp_path / "page.html").write_text(inspect_page.render(found_in(shared_data / "raccoon", samples=6)))
    opened(tmp_path / "page.html", f"--screenshot={tmp_path / 'page.png'}", "--window-size=1280,2400")
    with Image.open(tmp_path / "page.png") as image:
        assert image.size == (1280, 2400)
        assert len(image.convert("RGB").getcolors(1 << 24) or ()) > 10_000


def test_a_set_of_nothing_but_missing_images_still_gives_a_page(voc_set: VocSet) -> None:
    root = voc_set(2)
    shutil.rmtree(root / "images")
    html = inspect_page.render(found_in(root))
    assert "image missing" in html
    assert "<figure" not in html


def test_very_many_classes_are_cut_and_the_rest_counted(tmp_path: Path, voc_xml: Callable[..., str]) -> None:
    from PIL import Image

    Image.new("RGB", (64, 48)).save(tmp_path / "a.png")
    (tmp_path / "a.xml").write_text(voc_xml("a.png", [(f"class {number}", 1, 2, 30, 40) for number in range(1003)]))
    assert "and 3 more classes" in inspect_page.render(found_in(tmp_path))
