"""The part of the report that shows images, the worst and the best, with what is there and what was found."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from itertools import chain

from odtool.dataset.images import masks
from odtool.dataset.types import Box, Outline
from odtool.detection import instance_masks
from odtool.reporting import mistakes
from odtool.reporting.confusion import BACKGROUND
from odtool.reporting.figures import Analysis
from odtool.reporting.image_links import NO_MISTAKE, list_classes, list_kinds, list_pairs, name_kind, name_pair
from odtool.reporting.mistakes import Verdict
from odtool.reporting.record_images import PagePicture
from odtool.reporting.sections.confusion_section import list_confusions
from odtool.reporting.tables import render_note
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
_MOST_EXAMPLES = 3
"""Images beside each of the worst."""
_KINDS = {NO_MISTAKE: "no mistake", **{name_kind(kind): kind for kind in mistakes.MISTAKES}}
"""Words of an image's attribute, as people read them."""
_LABEL = 16
"""Letters of a class's name over a picture; the whole of it shows under the pointer."""
_TRUE = "#ffffff"
_LOOKS: dict[mistakes.Kind, tuple[str, str, str]] = {
    "missed": (COLOURS["missed"], "true missed", "missed"),
    "ignored": (COLOURS["ignored"], "true", "crowd"),
}
"""Of objects that are not simply there: colour, classes of the style, and a word."""


@dataclass(frozen=True)
class ImageChoice:
    """The images to be shown; each is in one of the lists."""

    worst: tuple[Verdict, ...]
    examples: tuple[Verdict, ...]
    """Of kinds of mistake, confusions and classes that none of the worst shows."""
    finest: tuple[Verdict, ...]

    def __iter__(self) -> Iterator[Verdict]:
        return chain(self.worst, self.examples, self.finest)


def choose_images(analysis: Analysis, count: int) -> ImageChoice:
    """The worst, then examples of what they do not show, up to three times as many, and half as many of the best."""
    worst = analysis.find_worst(count)
    wanted = {name_pair(pair) for pair, _ in list_confusions(analysis.confusion)}
    shown = {key for verdict in worst for key in _list_keys(verdict, wanted)}
    examples: list[Verdict] = []
    # Those with the fewest mistakes first: what is to be seen is seen best there.
    for verdict in sorted(analysis.verdicts, key=lambda verdict: verdict.mistakes):
        if (
            len(examples) < _MOST_EXAMPLES * count
            and verdict.mistakes
            and (keys := _list_keys(verdict, wanted) - shown)
        ):
            examples.append(verdict)
            shown |= keys
    return ImageChoice(tuple(worst), tuple(examples), tuple(analysis.find_finest(-(-count // 2))))


def _list_keys(verdict: Verdict, wanted: AbstractSet[str]) -> set[str]:
    """What an image is an example of: kinds of mistake, confusions, and classes."""
    pairs = [pair for pair in list_pairs(verdict) if pair in wanted]
    return {*list_kinds(verdict), *pairs, *map(str, list_classes(verdict))}


def render(analysis: Analysis, pictures: Mapping[str, PagePicture], count: int) -> str:
    """The rows of images, and what filters them."""
    if not count:
        return ""
    labels, choice = analysis.examination.labels, choose_images(analysis, count)
    parts = [f"<h2>Images with the most mistakes</h2>\n{_render_legend(analysis)}{_render_filters(analysis, choice)}"]
    parts.append('<div id="images">')
    parts.append(
        _render_row(choice.worst, pictures, labels) if choice.worst else render_note("No image has a mistake.")
    )
    if choice.examples:
        note = render_note("Of kinds of mistake, confusions and classes that the images above do not show.")
        parts.append(f"<h2>Further images with mistakes</h2>\n{note}{_render_row(choice.examples, pictures, labels)}")
    if choice.finest:
        parts.append(f"<h2>Images without mistakes</h2>\n{_render_row(choice.finest, pictures, labels)}")
    return "".join([*parts, "</div>\n"])


def _render_filters(analysis: Analysis, choice: ImageChoice) -> str:
    labels = {**analysis.examination.labels, BACKGROUND: "background"}
    classes = sorted({number for verdict in choice for number in list_classes(verdict)})
    kinds = dict.fromkeys(kind for verdict in choice for kind in list_kinds(verdict))
    there = {pair for verdict in choice for pair in list_pairs(verdict)}
    pairs = {
        name_pair((true, detected)): f"{labels.get(true, true)} taken for {labels.get(detected, detected)}"
        for (true, detected), _ in list_confusions(analysis.confusion)
        if name_pair((true, detected)) in there
    }
    fields = [
        html_page.render_choice(
            "classes", "all classes", {str(number): str(labels.get(number, number)) for number in classes}
        ),
        html_page.render_choice("problems", "any mistakes or none", {kind: _KINDS.get(kind, kind) for kind in kinds}),
        html_page.render_choice("pairs", "any confusions", pairs),
        html_page.render_search("search names"),
    ]
    return html_page.render_controls('data-items="images"', fields)


def _render_legend(analysis: Analysis) -> str:
    items = f'<li><i class="kind dashed" style="color:{COLOURS["missed"]}"></i>missed object</li>'
    items += '<li><i class="kind dashed" style="color:var(--soft)"></i>other object (white)</li>'
    items += "".join(
        f'<li><i class="kind" style="color:{COLOURS[kind]}"></i>{kind}</li>'
        for kind in ("correct", "wrong class", "badly placed", "duplicate", "background", "ignored")
    )
    masks = " Masks are filled where detected; of objects they are dashed outlines." if analysis.mask_accuracy else ""
    words = f"Hold the pointer over a box for its class and score.{masks}"
    return f'<ul class="legend">{items}</ul><p class="soft">{words}</p>\n'


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
    words = f"<b>{escape_text(name)}</b>{caption}<div>{_render_pills(verdict)}</div>"
    return html_page.render_figure(size, picture_html, words, attributes=_describe(verdict))


def _describe(verdict: Verdict) -> str:
    """What the page's filters ask of a picture."""
    classes = " ".join(str(number) for number in sorted(list_classes(verdict)))
    kinds, pairs = " ".join(list_kinds(verdict)), " ".join(list_pairs(verdict))
    return f' data-item data-classes="{classes}" data-problems="{kinds}" data-pairs="{pairs}"'


def _render_pills(verdict: Verdict) -> str:
    kinds: Counter[mistakes.Kind] = Counter(verdict.kinds)
    kinds["missed"] = verdict.objects.count("missed")
    return "".join(
        html_page.render_pill("error", f"{kinds[kind]:,} {kind}") for kind in mistakes.MISTAKES if kinds[kind]
    )


def _draw_boxes(verdict: Verdict, labels: Mapping[int, str]) -> str:
    """Objects below, dashed; correct detections above, then mistakes, each time the surest last."""
    truth, detections = verdict.image.truth, verdict.image.detections
    boxes: list[str] = []
    # By whether they are of mistakes, which come first and are not to be hidden.
    words: dict[bool, list[tuple[tuple[float, float], str, int]]] = {True: [], False: []}
    for box, number, kind in zip(truth.boxes, truth.classes, verdict.objects, strict=True):
        label = labels.get(int(number), str(number))
        colour, look, meaning = _LOOKS.get(kind, (_TRUE, "true", "is there"))
        boxes.append(
            html_page.draw_box(
                tuple(box.tolist()), colour, f"{label}: {meaning}", attributes=f' class="{look}" data-class="{number}"'
            )
        )
        if kind == "missed":
            words[True].append(((float(box[0]), float(box[1])), f"{_shorten(label)}?", int(number)))
    matches = list(zip(verdict.accepted, verdict.kinds, strict=True))[::-1]
    for index, kind in sorted(matches, key=lambda pair: pair[1] != "correct"):
        box, number = detections.boxes[index], int(detections.classes[index])
        label, score = labels.get(number, str(number)), f"{detections.scores[index]:.0%}"
        title, attributes = f"{label} {score}: {kind}", f' data-class="{number}"'
        boxes.append(html_page.draw_box(tuple(box.tolist()), COLOURS[kind], title, attributes=attributes))
        words[kind in mistakes.MISTAKES].append(((float(box[0]), float(box[1])), f"{_shorten(label)} {score}", number))
    ranked = [*words[True], *words[False]]
    labelled = ranked if len(ranked) <= html_page.MOST_LABELS else words[True][: html_page.MOST_LABELS]
    classes = [f' data-class="{number}"' for _, _, number in labelled]
    places = [(place, content) for place, content, _ in labelled]
    drawn = html_page.draw_labels(places, (detections.width, detections.height), attributes=classes)
    return _draw_masks(verdict) + "".join(boxes[-_MOST_BOXES:]) + drawn


def _draw_masks(verdict: Verdict) -> str:
    """Those of objects as dashed outlines, those of detections as veils in the colours of their boxes."""
    image = verdict.image
    paths = [
        html_page.draw_polygons(
            polygons, _LOOKS.get(kind, (_TRUE, "", ""))[0], attributes=f' class="mask true" data-class="{number}"'
        )
        for outline, kind, number in zip(image.true_masks or (), verdict.objects, image.truth.classes, strict=False)
        if (polygons := _trace(outline))
    ]
    if image.masks is not None:
        paths += [
            html_page.draw_polygons(
                polygons, COLOURS[kind], attributes=f' class="mask" data-class="{image.detections.classes[index]}"'
            )
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
