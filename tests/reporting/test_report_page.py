"""The report's page: its text, and what a real browser makes of it."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable
from dataclasses import replace
from html import escape, unescape
from pathlib import Path

import numpy as np
import pytest
from pycocotools import mask

from odtool.reporting import comparison, detections_file, figures, history, record_images, report_page
from odtool.reporting.figures import RunReport
from odtool.reporting.sections import image_section
from odtool.workspace import Run

MakeRun = Callable[..., Run]
SIZE = 200
"""Of an image of `examined_run`, in pixels."""

PROBE = """<script>addEventListener("load", () => {
  document.querySelectorAll("details").forEach(part => part.open = true);
  const pictures = [...document.images];
  parent.document.body.dataset.seen = JSON.stringify({
    pictures: pictures.length,
    loaded: pictures.filter(picture => picture.complete && picture.naturalWidth > 0).length,
    width: innerWidth,
    content: document.documentElement.scrollWidth,
    outside: [...document.querySelectorAll("body *")].filter(
      part => part.getBoundingClientRect().right > innerWidth + 1 && !part.closest(".scroll, svg")).length,
    cut: [...document.querySelectorAll(".plot text")].filter(word => {
      const [inner, outer] = [word.getBoundingClientRect(), word.closest("svg").getBoundingClientRect()];
      return inner.left < outer.left - 1 || inner.right > outer.right + 1;}).map(word => word.textContent),
    requests: performance.getEntriesByType("resource").filter(entry => !entry.name.startsWith("data:")).length,
    curves: document.querySelectorAll(".curves polyline").length,
  });
});</script></body>"""


def gathered(run: Run) -> RunReport:
    return figures.gather(run, detections_file.read(run.detections), "")


def rendered(report: RunReport, shown: int = 4) -> str:
    assert report.analysis is not None
    wanted = [verdict.image.source_id for verdict in image_section.choose_images(report.analysis, shown)]
    return report_page.render(
        report, record_images.find_images(record_images.find_evaluation_files(report.run), wanted), shown
    )


def test_the_page_has_every_part_and_loads_nothing(examined_run: MakeRun) -> None:
    report = gathered(examined_run())
    html = rendered(report)
    headings = re.findall(r"<h2>(.*?)</h2>", html)
    assert [heading for heading in headings if not heading.startswith(("Images without", "Further"))] == [
        "Curves",
        "Accuracy by class",
        "Thresholds",
        "Precision, recall and F1 of all classes",
        "Precision, recall and counts by class",
        "Mistakes",
        "Images with the most mistakes",
        "Settings that differ from the zoo's demo_ssd",
        "Data set",
        "Training and evaluation set side by side",
        "Course",
        "Versions",
    ]
    assert html.count("<script") == 1
    assert "script-src 'sha256-" in html
    assert "http" not in html.replace("http-equiv", "")
    assert "class 1 &amp; a very long name" in html
    assert "<i>1.jpg" not in html
    assert "Not in the evaluation records: class 2 &amp; a very long name for it" in html
    assert report.analysis is not None
    assert f"{report.analysis.accuracy.figures.ap:.3f}" in html


def with_masks(run: Run) -> None:
    """Each object and each detection gets the mask of a disc in its box."""
    header, *lines = [json.loads(line) for line in run.detections.read_text().splitlines()]
    rows, columns = np.mgrid[0:SIZE, 0:SIZE] + 0.5
    for line in lines:
        for part in ("true", "detected"):
            xmin, ymin, xmax, ymax = np.array(line[part]["boxes"])[..., None, None].transpose(1, 0, 2, 3)
            across, down = (2 * columns - xmin - xmax) / (xmax - xmin), (2 * rows - ymin - ymax) / (ymax - ymin)
            discs = (across**2 + down**2 <= 1).astype(np.uint8)
            line[part]["masks"] = [mask.encode(np.asfortranarray(disc))["counts"].decode() for disc in discs]
    run.detections.write_text("".join(json.dumps(line) + "\n" for line in (header, *lines)))


def test_masks_are_drawn_and_scored(examined_run: MakeRun) -> None:
    run = examined_run()
    without = rendered(gathered(run))
    assert "mask mAP" not in without
    assert "Masks are filled" not in without
    with_masks(run)
    report = gathered(run)
    assert report.analysis is not None
    assert report.analysis.mask_accuracy is not None
    html = rendered(report)
    assert f"{report.analysis.mask_accuracy.figures.ap:.3f}" in html
    assert "mask mAP@[.5:.95]" in html
    assert "Masks are filled where detected" in html
    assert re.search(r"<th[^>]*>mask AP@\.5</th>", html)
    assert html.count('class="mask"') >= 8
    assert html.count('class="mask true"') >= 8
    figures_of_masks = figures.to_json(report)["analysis"]["mask_figures"]
    assert figures_of_masks["ap"] == report.analysis.mask_accuracy.figures.ap


def test_a_run_without_checkpoint_or_metrics_still_gives_a_page(examined_run: MakeRun) -> None:
    run = examined_run()
    run.metrics.unlink()
    html = report_page.render(figures.gather(run, None, "run 'first' has no checkpoint"), {}, 4)
    assert "No accuracy by class, mistakes or images: run &#x27;first&#x27; has no checkpoint" in html
    assert html.count("Nothing to show yet.") == 6
    assert "<h2>Mistakes</h2>" not in html


def test_a_loss_that_was_not_finite_is_said_first(examined_run: MakeRun) -> None:
    run = examined_run()
    lines = [("train", {"loss": None}), ("not_finite", {"records": ["bad.jpg"]})]
    with run.metrics.open("a") as stream:
        for kind, values in lines:
            stream.write(json.dumps({"kind": kind, "step": 299, "time": 2e9, "values": values}) + "\n")
    html = rendered(gathered(run))
    assert "The loss was not finite once" in html
    assert "its batch held bad.jpg" in html


EVIL = "</script></style></svg>\"'><img src=x onerror=\"parent.document.title='owned'\"><b>"


def test_names_with_markup_are_text_in_a_browser(
    examined_run: MakeRun, tmp_path: Path, opened: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    run = examined_run()
    header, *lines = [json.loads(line) for line in run.detections.read_text().splitlines()]
    header["labels"] = {number: f"{name}{EVIL}" for number, name in header["labels"].items()}
    for line in lines:
        line["source_id"] += EVIL
    run.detections.write_text("".join(json.dumps(line) + "\n" for line in (header, *lines)))
    entry = {"step": 299, "time": 2e9}
    with run.metrics.open("a") as stream:
        for kind, values in (
            ("not_finite", {"records": [EVIL], "losses": []}),
            ("recover", {"reason": EVIL, "batch_size": 2}),
            ("eval", {EVIL: 0.5, f"Loss/{EVIL}": 1.0, "checkpoint": EVIL}),
            ("best", {"metric": EVIL, "value": 0.5, "checkpoint": EVIL}),
            ("end", {"state": EVIL}),
        ):
            stream.write(json.dumps({**entry, "kind": kind, "values": values}) + "\n")
    html = rendered(gathered(run))
    assert "owned" in html
    probe = """<script>addEventListener("load", () => {
      parent.document.body.dataset.seen = JSON.stringify({
        title: parent.document.title,
        images: [...document.images].filter(picture => picture.getAttribute("src") === "x").length,
        handlers: document.querySelectorAll("[onerror]").length,
      })});</script></body>"""
    # Without the policy that allows no scripts, which would hide what the text alone has to hold.
    frame = escape(re.sub("<meta http-equiv[^>]*>", "", html).replace("</body>", probe), quote=True)
    page = tmp_path / "frame.html"
    page.write_text(f'<title>calm</title><body><iframe srcdoc="{frame}" width="1000" height="900"></iframe></body>')
    seen = re.search(r'data-seen="([^"]*)"', opened(page).stdout)
    assert seen is not None
    assert json.loads(unescape(seen[1])) == {"title": "calm", "images": 0, "handlers": 0}


def test_a_running_run_says_so(examined_run: MakeRun) -> None:
    report = replace(gathered(examined_run()), states={"train": "running", "eval": "none"})
    assert "Training is still running" in rendered(report)


def test_images_that_no_record_has_are_named(examined_run: MakeRun) -> None:
    html = report_page.render(gathered(examined_run()), {}, 3)
    assert html.count("no record has this source id") == len(re.findall("<figure", html)) >= 3


def test_with_many_classes_the_most_confused_are_in_the_matrix(examined_run: MakeRun) -> None:
    html = rendered(gathered(examined_run(classes=80, images=30)))
    assert re.search(r"Of \d+ classes the 40 with most confusions are shown", html)
    assert html.count('<th class="row"') == 40 + 2  # the corner, and background
    assert "more classes</span>" in html


CLICKS = """<script>addEventListener("load", () => {
  const seen = {};
  const pictures = [...document.querySelectorAll("#images figure")];
  const shown = () => pictures.filter(picture => !picture.hidden);
  const link = document.querySelector("#confusions button[data-choose]:enabled");
  link.click();
  seen.pair = [link.value, shown().length, shown().every(one => one.dataset.pairs.split(" ").includes(link.value))];
  const missed = document.querySelector('button[data-choose="problems"][value="missed"]');
  missed.click();
  seen.missed = shown().length > 0 && shown().every(one => one.dataset.problems.split(" ").includes("missed"));
  const table = document.getElementById("accuracy");
  const head = [...table.tHead.rows[0].cells].find(cell => cell.textContent === "AP");
  head.querySelector("button").click();
  const read = () => [...table.tBodies[0].rows].map(row => row.cells[head.cellIndex].textContent);
  seen.down = read();
  head.querySelector("button").click();
  seen.up = read();
  seen.total = table.tHead.rows[1].cells[0].textContent;
  const search = document.querySelector('.controls[data-rows="accuracy"] input');
  search.value = "class 13 "; search.dispatchEvent(new Event("input"));
  seen.left = [...table.tBodies[0].rows].filter(row => !row.hidden).length;
  const cards = document.querySelector('.controls[data-items="class-cards"] input');
  cards.value = "class 28 "; cards.dispatchEvent(new Event("input"));
  seen.cards = [...document.querySelectorAll("#class-cards [data-item]")].filter(card => card.checkVisibility()).length;
  document.body.dataset.seen = JSON.stringify(seen);
});</script></body>"""


@pytest.mark.slow
def test_figures_lead_to_images_and_tables_are_sorted_and_searched(
    examined_run: MakeRun, opened: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    html = rendered(gathered(examined_run(classes=30, images=30)))
    html = re.sub("script-src 'sha256-[^']*'", "script-src 'unsafe-inline'", html).replace("</body>", CLICKS)
    (tmp_path / "page.html").write_text(html)
    (text,) = re.findall('data-seen="([^"]*)"', opened(tmp_path / "page.html").stdout)
    seen = json.loads(unescape(text))
    assert seen["pair"][1] > 0
    assert seen["pair"][2]
    assert seen["missed"]
    values = [-1 if value == "-" else float(value) for value in seen["down"]]
    assert values == sorted(values, reverse=True)
    assert values[-1] == -1
    assert len(set(values)) > 5
    assert [-1 if value == "-" else float(value) for value in seen["up"]] == sorted(values)
    assert (seen["total"], seen["left"], seen["cards"]) == ("all classes", 1, 1)


def test_runs_are_compared_with_the_best_marked(examined_run: MakeRun) -> None:
    one, other = examined_run("one"), examined_run("other", seed=5)
    reports = [gathered(one), gathered(other)]
    html = comparison.render(reports)
    assert "<h1>one and other</h1>" in html
    values = [report.analysis.accuracy.figures.ap for report in reports if report.analysis]
    best = f"{max(value for value in values if value):.3f}"
    assert re.search(rf'<td class="best" data-value="[^"]*">{best}</td>', html)
    assert "They are the same in all runs." in html
    assert "different images" not in html


def test_runs_on_other_images_are_said_not_to_compare(examined_run: MakeRun) -> None:
    report = gathered(examined_run())
    assert report.analysis is not None
    fewer = replace(report.analysis.examination, images=report.analysis.examination.images[1:])
    other = replace(report, analysis=figures.analyse(fewer))
    assert "evaluated on different images" in comparison.render([report, other])
    assert "not examined: gone" in comparison.render([report, replace(report, analysis=None, absence="gone")])


def test_figures_are_json(examined_run: MakeRun) -> None:
    payload = json.loads(json.dumps(figures.to_json(gathered(examined_run())), allow_nan=False))
    analysis = payload["analysis"]
    assert payload["checkpoint"] == "best/ckpt-300"
    assert {item["class"][:7] for item in analysis["classes"]} == {"class 1", "class 2"}
    counted = sum(item["count"] for item in analysis["confusion"] if item["true"] != "background")
    assert counted == 48 == sum(item["objects"] for item in analysis["classes"])


def test_detections_of_something_else_are_stale(examined_run: MakeRun) -> None:
    run = examined_run()
    index = run.best / "ckpt-300"
    header = {"checkpoint": "best/ckpt-300", "stamp": detections_file.compute_stamp(run, index)}
    assert detections_file.is_fresh(run.detections, header)
    assert not detections_file.is_fresh(run.detections, {**header, "checkpoint": "ckpt-200"})
    run.pipeline_config.write_text(run.pipeline_config.read_text() + "\n")
    assert not detections_file.is_fresh(run.detections, {**header, "stamp": detections_file.compute_stamp(run, index)})
    assert not detections_file.is_fresh(run.path / "none.jsonl", header)


def test_an_empty_history_is_an_empty_curve(tmp_path: Path) -> None:
    assert history.read(tmp_path / "none").curve("x") == ()


@pytest.mark.slow
@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("several", [False, True])
def test_a_browser_shows_every_picture_and_nothing_sticks_out(
    examined_run: MakeRun,
    opened: Callable[..., subprocess.CompletedProcess[str]],
    tmp_path: Path,
    width: int,
    several: bool,
) -> None:
    reports = [gathered(examined_run(classes=30, images=12))]
    if several:
        reports.append(gathered(examined_run("a_run_with_quite_a_long_name_indeed_so_that_it_wraps", classes=30)))
    html = comparison.render(reports) if several else rendered(reports[0])
    # The page allows no scripts, so that the copy that is probed has to do without the policy.
    probed = re.sub("<meta http-equiv[^>]*>", "", html).replace("</body>", PROBE)
    frame = f"<body><iframe style='border:0; width:{width}px; height:1200px' srcdoc='{escape(probed)}'></iframe></body>"
    (tmp_path / "page.html").write_text(frame)
    done = opened(tmp_path / "page.html")
    (text,) = re.findall('data-seen="([^"]*)"', done.stdout)
    seen = json.loads(unescape(text))
    assert seen["pictures"] == seen["loaded"] == (0 if several else html.count("<figure"))
    assert (seen["width"], seen["content"], seen["outside"], seen["requests"]) == (width, width, 0, 0)
    assert seen["cut"] == []
    assert seen["curves"] > 4


@pytest.mark.slow
def test_a_browser_has_nothing_to_complain_about(
    examined_run: MakeRun, opened: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    (tmp_path / "page.html").write_text(rendered(gathered(examined_run())))
    assert "CONSOLE" not in opened(tmp_path / "page.html").stderr
