"""The page of inspect: its text, and what a real browser makes of it."""

from __future__ import annotations

import base64
import hashlib
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

from odtool.dataset.inspect import inspect_page, picture_section
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
    # One script, our own: the policy runs it for its hash, and nothing else.
    assert parts.names.count("script") == 1
    (script,) = re.findall("<script>(.*?)</script>", html, re.DOTALL)
    assert script == (Path(html_page.__file__).parent / "page.js").read_text()
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    (policy,) = re.findall('Content-Security-Policy" content="([^"]*)"', html)
    assert policy == f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{digest}'"
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
    assert len(source) < 4 / 3 * 160_000 + 40
    assert len(inspect_page.render(found)) < 320_000


def test_many_pictures_are_smaller_so_that_the_page_stays_small(tmp_path: Path, voc_xml: Callable[..., str]) -> None:
    from PIL import Image

    for number in range(90):
        Image.effect_noise((900, 600), 30 + number).convert("RGB").save(tmp_path / f"{number}.jpg", quality=95)
        (tmp_path / f"{number}.xml").write_text(voc_xml(f"{number}.jpg", [("cat", 1, 2, 90, 40)], (900, 600)))
    sizes = {}
    for count in (10, 90):
        pictures = re.findall('src="([^"]+)"', inspect_page.render(found_in(tmp_path, samples=count)))
        assert len(pictures) == count
        sizes[count] = sum(map(len, pictures))
    assert sizes[10] / 10 > 2 * sizes[90] / 90
    assert sizes[90] < 4 / 3 * 6_100_000


def test_labels_stay_within_the_picture_and_off_each_other() -> None:
    drawn = html_page.draw_labels([((95, 50), "raccoon"), ((90, 52), "hidden"), ((0, 0), "corner")], (100, 100))
    assert "hidden" not in drawn
    places = {word: (float(x), float(y)) for x, y, word in re.findall('x="(.+?)" y="(.+?)".*?>(.*?)</text>', drawn)}
    assert set(places) == {"raccoon", "corner"}
    assert 0 < places["raccoon"][0] < 80
    assert min(places["corner"]) > 0


def test_without_samples_no_image_is_opened(voc_set: VocSet, monkeypatch: pytest.MonkeyPatch) -> None:
    found = replace(found_in(voc_set(3)), samples=())
    monkeypatch.setattr(picture_section.image_file, "read_bytes", None)
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
    # The page allows no other scripts, so that the copy that is probed has to do without the policy.
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


# What the page's script does, in a browser.

CLICKS = """<script>addEventListener("load", () => {
  Element.prototype.scrollIntoView = () => {};
  const seen = [];
  const figures = () => [...document.querySelectorAll("#samples figure")].filter(part => !part.hidden).map(
    part => part.querySelector("b").textContent);
  const rows = () => [...document.querySelectorAll("#classes tbody tr")].filter(row => !row.hidden).map(
    row => row.cells[0].textContent);
  const type = (field, value) => { field.value = value; field.dispatchEvent(new Event("input")); };
  const click = selector => document.querySelector(selector).click();
  try { STEPS } catch (error) { seen.push(String(error)); }
  document.body.dataset.seen = JSON.stringify(seen);
});</script></body>"""


@pytest.fixture
def clicked(
    mixed_set: Path, opened: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path
) -> Callable[[str], list[Any]]:
    """clicked(steps): what these steps, in JavaScript, put into the list `seen` on the page of the mixed set."""

    def run(steps: str) -> list[Any]:
        html = inspect_page.render(found_in(mixed_set, similar=True))
        probed = re.sub("<meta http-equiv[^>]*>", "", html).replace("</body>", CLICKS.replace("STEPS", steps))
        (tmp_path / "page.html").write_text(probed)
        (text,) = re.findall('data-seen="([^"]*)"', opened(tmp_path / "page.html").stdout)
        return list(json.loads(unescape(text)))

    return run


@pytest.fixture
def mixed_set(tmp_path: Path, voc_xml: Callable[..., str]) -> Path:
    """Six pictures in two splits: cats in all, dogs in two, a zebra in one. One box sticks out; two are alike."""
    import numpy as np
    from PIL import Image

    root = tmp_path / "mixed"
    boxes = {
        "train/a": ["cat"],
        "train/b": ["cat", "dog"],
        "train/c": ["cat", "cat", "cat", "zebra"],
        "train/d": ["cat"],
        "val/e": ["cat", "dog"],
        "val/f": ["cat"],
    }
    for number, (name, labels) in enumerate(boxes.items()):
        split, stem = name.split("/")
        for folder in ("images", "annotations"):
            (root / split / folder).mkdir(parents=True, exist_ok=True)
        # f is d, a little brighter.
        seed, shift = (3, 6) if stem == "f" else (number, 0)
        blocks = np.random.default_rng(seed).integers(0, 240, (6, 8, 3), dtype=np.uint8) + np.uint8(shift)
        image = Image.fromarray(blocks).resize((96, 72), Image.Resampling.BICUBIC)
        image.save(root / split / "images" / f"{stem}.png")
        objects = [(label, 2 + 9 * place, 5, 30 + 9 * place, 50) for place, label in enumerate(labels)]
        if stem == "b":
            objects[0] = ("cat", -8, 5, 30, 50)
        text = voc_xml(f"{stem}.png", objects, (96, 72))
        (root / split / "annotations" / f"{stem}.xml").write_text(text)
    return root


def test_the_page_has_figures_by_split_centres_and_similar_images(mixed_set: Path) -> None:
    html = inspect_page.render(found_in(mixed_set, similar=True))
    (table,) = re.findall('<table class="sortable" id="splits">(.*?)</table>', html, re.DOTALL)
    rows = [re.findall("<td[^>]*>(.*?)</td>", row) for row in re.findall("<tr>(.*?)</tr>", table)]
    assert [row[:6] for row in rows[1:]] == [
        ["train", "4", "0", "8", "2.00", "3"],
        ["val", "2", "0", "3", "1.50", "2"],
    ]
    assert "<h3>Centres of boxes</h3>" in html
    (group,) = re.findall('<div class="alike">(.*?)</div>\n</div>', html, re.DOTALL)
    assert re.findall("<b>(.*?)</b>", group) == ["d.png", "f.png"]
    assert "similar straddles" in html
    without = inspect_page.render(found_in(mixed_set))
    assert "Similar images" not in without


def test_repeat_factors_are_those_of_the_training_images(mixed_set: Path) -> None:
    found = found_in(mixed_set, balance=0.5)
    # Of four training images one has a dog and one a zebra; the dog in val counts for nothing.
    assert found.repeat_factors == pytest.approx({"dog": 2**0.5, "zebra": 2**0.5})
    html = inspect_page.render(found)
    (table,) = re.findall('<table class="sortable" id="classes">(.*?)</table>', html, re.DOTALL)
    assert ">repeat factor</th>" in table
    rows = [re.findall('<td class="right"[^>]*>(.*?)</td>', row) for row in table.split("<tr>")[2:]]
    assert [row[-1] for row in rows] == ["1.00", "1.41", "1.41"]
    assert "repeat factor" not in inspect_page.render(found_in(mixed_set))


def test_every_class_is_shown_where_there_is_room(mixed_set: Path) -> None:
    for seed in range(8):
        samples = found_in(mixed_set, samples=3, seed=seed).samples
        shown = {item.label for sample in samples for item in sample.checked.image.objects}
        assert shown == {"cat", "dog", "zebra"}
        assert len({sample.checked.image.name for sample in samples}) == 3


@pytest.mark.slow
def test_tables_are_sorted_by_a_click_and_searched(clicked: Callable[[str], list[Any]]) -> None:
    seen = clicked(
        """
        const heads = document.querySelectorAll("#classes th button");
        seen.push(rows()); heads[0].click(); seen.push(rows()); heads[0].click(); seen.push(rows());
        heads[1].click(); seen.push(rows()); heads[1].click(); seen.push(rows());
        seen.push(document.querySelectorAll("#classes th[aria-sort]").length);
        type(document.querySelector("[data-rows=classes] input"), "Z E"); seen.push(rows());
        seen.push(document.querySelector("[data-rows=classes] output").textContent);
        type(document.querySelector("[data-rows=classes] input"), ""); seen.push(rows().length);
        """
    )
    names = ["cat", "dog", "zebra"]
    backwards = names[::-1]
    assert seen == [names, names, backwards, names, backwards, 1, ["zebra"], "1 of 3", 3]


@pytest.mark.slow
def test_pictures_are_filtered_by_class_problem_split_and_name(clicked: Callable[[str], list[Any]]) -> None:
    seen = clicked(
        """
        const field = by => document.querySelector(`select[data-by=${by}]`);
        const boxes = () => [...document.querySelectorAll("#samples rect")].filter(
          box => box.getClientRects().length).length;
        seen.push(figures().sort(), boxes());
        type(field("classes"), "2"); seen.push(figures().sort(), boxes());
        type(field("split"), "val"); seen.push(figures());
        type(field("split"), ""); type(field("classes"), "");
        type(field("problems"), "box_outside"); seen.push(figures());
        click("[data-choose=classes][value='3']"); seen.push(figures(), field("problems").value);
        seen.push(document.querySelector("[data-items=samples] output").textContent);
        click("[data-choose=problems][value=box_outside]"); seen.push(figures());
        type(field("problems"), ""); type(document.querySelector("[data-items=samples] input"), "e.PNG");
        seen.push(figures());
        """
    )
    everything = [f"{name}.png" for name in "abcdef"]
    assert seen == [
        *(everything, 11),
        *(["b.png", "e.png"], 2),
        ["e.png"],
        ["b.png"],
        *(["c.png"], "", "1 of 6"),
        ["b.png"],
        ["e.png"],
    ]


@pytest.mark.slow
def test_problems_are_filtered_by_level_and_text(clicked: Callable[[str], list[Any]]) -> None:
    seen = clicked(
        """
        const kinds = () => [...document.querySelectorAll("#problems details")].filter(part => !part.hidden).map(
          part => part.querySelector(".kind").textContent);
        seen.push(kinds().length > 2);
        type(document.querySelector("select[data-by=level]"), "warning"); seen.push(kinds().sort());
        type(document.querySelector("[data-items=problems] input"), "b.xml"); seen.push(kinds());
        """
    )
    assert seen == [True, ["box outside", "similar straddles"], ["box outside"]]


@pytest.mark.slow
def test_a_click_shows_a_picture_large_and_arrows_go_on(clicked: Callable[[str], list[Any]], mixed_set: Path) -> None:
    seen = clicked(
        """
        const viewer = document.querySelector("dialog");
        const name = () => viewer.querySelector("b").textContent;
        const width = part => part.querySelector("img").getBoundingClientRect().width;
        type(document.querySelector("select[data-by=classes]"), "2");
        seen.push(viewer.open);
        const [first, second] = figures();
        const figure = [...document.querySelectorAll("#samples figure")].find(part => !part.hidden);
        figure.querySelector(".shot").click();
        seen.push(viewer.open, name() === first, width(viewer) > 2 * width(figure), viewer.querySelector("a").href);
        viewer.dispatchEvent(new KeyboardEvent("keydown", {key: "ArrowRight"}));
        seen.push(name() === second || document.querySelector(".alike b").textContent === name());
        viewer.querySelector("img").click(); seen.push(viewer.open);
        """
    )
    assert seen[:4] == [False, True, True, True]
    assert seen[4] in [(mixed_set / path).as_uri() for path in ("train/images/b.png", "val/images/e.png")]
    assert seen[5:] == [True, False]


@pytest.mark.slow
def test_the_script_runs_under_the_pages_own_policy(
    mixed_set: Path, opened: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    page = tmp_path / "page.html"
    page.write_text(inspect_page.render(found_in(mixed_set)))
    assert page.read_text().count('class="controls" hidden') == 3
    done = opened(page)
    assert "CONSOLE" not in done.stderr
    assert done.stdout.count('class="controls" hidden') == 0
    assert "<dialog" in done.stdout
    # With any other text the policy stops it.
    page.write_text(page.read_text().replace('"use strict";', '"use strict"; '))
    assert "<dialog" not in opened(page).stdout
