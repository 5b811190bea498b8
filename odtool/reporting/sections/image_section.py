"""The part of the report that shows images, the worst and the best, with what is there and what was found."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from odtool.dataset.images import masks
from odtool.dataset.types import Box, Outline
from odtool.detection import instance_masks
from odtool.reporting import mistakes
from odtool.reporting.figures import Analysis
from odtool.reporting.mistakes import Verdict
from odtool.reporting.record_images import PagePicture
from odtool.visual import html_page
from odtool.visual.html_page import escape_text

COLOURS: dict[mistakes.Kind, str] = {
    "correct": "#37b24d",
    "missed": "#ffd43b",
    "wrong class": "#f03e3e",
    "badly placed": "#ff8c1a",
    "duplicate": "#cc5de8",
    "background": "#4dabf7",
    "ignored": "#adb5bd",
}
"""Of boxes over pictures, bright enough for dark and for light ones."""
_MOST_BOXES = 300
_LABEL = 16
"""Letters of a class's name over a picture; the whole of it shows under the pointer."""
_TRUE = "#ffffff"
_LOOKS: dict[mistakes.Kind, tuple[str, str, str]] = {
    "missed": (COLOURS["missed"], "true missed", "missed"),
    "ignored": (COLOURS["ignored"], "true", "crowd"),
}
"""Of objects that are not simply there: colour, classes of the style, and a word."""


def choose_images(analysis: Analysis, count: int) -> list[Verdict]:
    """The images to be shown: the worst, then half as many of the best."""
    return [*analysis.find_worst(count), *analysis.find_finest(-(-count // 2))]


def render(analysis: Analysis, pictures: Mapping[str, PagePicture], count: int) -> str:
    """Both rows of images."""
    if not count:
        return ""
    labels = analysis.examination.labels
    worst, best = analysis.find_worst(count), analysis.find_finest(-(-count // 2))
    parts = [f"<h2>Images with the most mistakes</h2>\n{_render_legend()}"]
    parts.append(_render_row(worst, pictures, labels) if worst else '<p class="soft">No image has a mistake.</p>\n')
    if best:
        parts.append(f"<h2>Images without mistakes</h2>\n{_render_row(best, pictures, labels)}")
    return "".join(parts)


def _render_legend() -> str:
    items = f'<li><i class="kind dashed" style="color:{COLOURS["missed"]}"></i>missed object</li>'
    items += '<li><i class="kind dashed" style="color:var(--soft)"></i>other object (white)</li>'
    items += "".join(
        f'<li><i class="kind" style="color:{COLOURS[kind]}"></i>{kind}</li>'
        for kind in ("correct", "wrong class", "badly placed", "duplicate", "background", "ignored")
    )
    return f'<ul class="legend">{items}</ul><p class="soft">Hold the pointer over a box for its class and score.</p>\n'


def _render_row(verdicts: Iterable[Verdict], pictures: Mapping[str, PagePicture], labels: Mapping[int, str]) -> str:
    shots = "".join(_render_image(verdict, pictures.get(verdict.image.source_id), labels) for verdict in verdicts)
    return f'<div class="shots">{shots}</div>\n'


def _render_image(verdict: Verdict, picture: PagePicture | None, labels: Mapping[int, str]) -> str:
    detections = verdict.image.detections
    size = detections.width, detections.height
    if picture is None or not picture.uri:
        why = picture.problem if picture else "no record has this source id"
        picture_html = f'<div class="broken">cannot be shown: {escape_text(why)}</div>'
    else:
        picture_html = html_page.overlay(picture.uri, size, _draw_boxes(verdict, labels))
    name = picture.filename if picture else verdict.image.source_id
    objects = sum(kind != "ignored" for kind in verdict.objects)
    caption = f"{objects:,} object{'' if objects == 1 else 's'}, {verdict.correct:,} found"
    return html_page.render_figure(
        size, picture_html, f"<b>{escape_text(name)}</b>{caption}<div>{_render_pills(verdict)}</div>"
    )


def _render_pills(verdict: Verdict) -> str:
    kinds: Counter[mistakes.Kind] = Counter(verdict.kinds)
    kinds["missed"] = verdict.objects.count("missed")
    return "".join(
        html_page.render_pill("error", f"{kinds[kind]:,} {kind}") for kind in mistakes.MISTAKES if kinds[kind]
    )


def _draw_boxes(verdict: Verdict, labels: Mapping[int, str]) -> str:
    """Objects below, dashed; correct detections above, then mistakes, each time the surest last."""
    truth, detections = verdict.image.truth, verdict.image.detections
    boxes: list[str] = [_draw_masks(verdict)]
    # By whether they are of mistakes, which come first and are not to be hidden.
    words: dict[bool, list[tuple[tuple[float, float], str]]] = {True: [], False: []}
    for box, number, kind in zip(truth.boxes, truth.classes, verdict.objects, strict=True):
        label = labels.get(int(number), str(number))
        colour, look, meaning = _LOOKS.get(kind, (_TRUE, "true", "is there"))
        boxes.append(
            html_page.draw_box(tuple(box.tolist()), colour, f"{label}: {meaning}", attributes=f' class="{look}"')
        )
        if kind == "missed":
            words[True].append(((float(box[0]), float(box[1])), f"{_shorten(label)}?"))
    matches = list(zip(verdict.accepted, verdict.kinds, strict=True))[::-1]
    for index, kind in sorted(matches, key=lambda pair: pair[1] != "correct"):
        box, number = detections.boxes[index], int(detections.classes[index])
        label, score = labels.get(number, str(number)), f"{detections.scores[index]:.0%}"
        boxes.append(html_page.draw_box(tuple(box.tolist()), COLOURS[kind], f"{label} {score}: {kind}"))
        words[kind in mistakes.MISTAKES].append(((float(box[0]), float(box[1])), f"{_shorten(label)} {score}"))
    ranked = [*words[True], *words[False]]
    labelled = ranked if len(ranked) <= html_page.MOST_LABELS else words[True][: html_page.MOST_LABELS]
    return "".join(boxes[-_MOST_BOXES:]) + html_page.draw_labels(labelled, (detections.width, detections.height))


def _draw_masks(verdict: Verdict) -> str:
    """Those of objects as dashed outlines, those of detections as veils in the colours of their boxes."""
    image = verdict.image
    paths = [
        html_page.draw_polygons(polygons, _LOOKS.get(kind, (_TRUE, "", ""))[0], attributes=' class="mask true"')
        for outline, kind in zip(image.true_masks or (), verdict.objects, strict=False)
        if (polygons := _trace(outline))
    ]
    if image.masks is not None:
        paths += [
            html_page.draw_polygons(polygons, COLOURS[kind], attributes=' class="mask"')
            for index, kind in list(zip(verdict.accepted, verdict.kinds, strict=True))[:_MOST_BOXES]
            if (polygons := _trace(image.masks[index]))
        ]
    return "".join(paths)


def _trace(outline: Outline) -> tuple[instance_masks.Polygon, ...]:
    size = outline.width, outline.height
    pixels = masks.draw(outline, Box(0, 0, *size), size, (0, 0, *size))
    # On the page an image is a few hundred pixels wide.
    return instance_masks.trace_pixels(pixels, tolerance=max(0.7, max(size) / 500))


def _shorten(label: str) -> str:
    return label if len(label) <= _LABEL else label[: _LABEL - 1] + "…"
