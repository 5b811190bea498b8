"""The part of the report that shows images, the worst and the best, with what is there and what was found."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

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


def chosen(found: Analysis, shown: int) -> list[Verdict]:
    """The images to be shown: the worst, then half as many of the best."""
    return [*found.worst(shown), *found.finest(-(-shown // 2))]


def render(found: Analysis, pictures: Mapping[str, PagePicture], shown: int) -> str:
    """Both rows of images."""
    if not shown:
        return ""
    labels = found.examination.labels
    worst, best = found.worst(shown), found.finest(-(-shown // 2))
    parts = [f"<h2>Images with most mistakes</h2>\n{_legend()}"]
    parts.append(_row(worst, pictures, labels) if worst else '<p class="soft">None has a mistake.</p>\n')
    if best:
        parts.append(f"<h2>Images without a mistake</h2>\n{_row(best, pictures, labels)}")
    return "".join(parts)


def _legend() -> str:
    items = f'<li><i class="kind dashed" style="color:{COLOURS["missed"]}"></i>object that was missed</li>'
    items += '<li><i class="kind dashed" style="color:var(--soft)"></i>other object that is there (white)</li>'
    items += "".join(
        f'<li><i class="kind" style="color:{COLOURS[kind]}"></i>{kind}</li>'
        for kind in ("correct", "wrong class", "badly placed", "duplicate", "background", "ignored")
    )
    return f'<ul class="legend">{items}</ul><p class="soft">Hold the pointer over a box for its class and score.</p>\n'


def _row(verdicts: Iterable[Verdict], pictures: Mapping[str, PagePicture], labels: Mapping[int, str]) -> str:
    made = "".join(_shot(verdict, pictures.get(verdict.image.source_id), labels) for verdict in verdicts)
    return f'<div class="shots">{made}</div>\n'


def _shot(verdict: Verdict, picture: PagePicture | None, labels: Mapping[int, str]) -> str:
    found = verdict.image.found
    size = found.width, found.height
    if picture is None or not picture.uri:
        why = picture.problem if picture else "no record has this source id"
        shown = f'<div class="broken">cannot be shown: {escape_text(why)}</div>'
    else:
        shown = html_page.overlay(picture.uri, size, _drawn(verdict, labels))
    name = picture.filename if picture else verdict.image.source_id
    objects = sum(kind != "ignored" for kind in verdict.objects)
    said = f"{objects:,} object{'' if objects == 1 else 's'}, {verdict.correct:,} found"
    return html_page.render_figure(size, shown, f"<b>{escape_text(name)}</b>{said}<div>{_pills(verdict)}</div>")


def _pills(verdict: Verdict) -> str:
    kinds: Counter[mistakes.Kind] = Counter(verdict.kinds)
    kinds["missed"] = verdict.objects.count("missed")
    return "".join(
        html_page.render_pill("error", f"{kinds[kind]:,} {kind}") for kind in mistakes.MISTAKES if kinds[kind]
    )


def _drawn(verdict: Verdict, labels: Mapping[int, str]) -> str:
    """Objects below, dashed; correct detections above, then mistakes, each time the surest last."""
    truth, found = verdict.image.truth, verdict.image.found
    boxes: list[str] = []
    # By whether they are of mistakes, which come first and are not to be hidden.
    words: dict[bool, list[tuple[tuple[float, float], str]]] = {True: [], False: []}
    for box, number, kind in zip(truth.boxes, truth.classes, verdict.objects, strict=True):
        label = labels.get(int(number), str(number))
        colour, look, told = _LOOKS.get(kind, (_TRUE, "true", "is there"))
        boxes.append(html_page.draw_box(tuple(box.tolist()), colour, f"{label}: {told}", attributes=f' class="{look}"'))
        if kind == "missed":
            words[True].append(((float(box[0]), float(box[1])), f"{_short(label)}?"))
    taken = list(zip(verdict.taken, verdict.kinds, strict=True))[::-1]
    for index, kind in sorted(taken, key=lambda pair: pair[1] != "correct"):
        box, number = found.boxes[index], int(found.classes[index])
        label, score = labels.get(number, str(number)), f"{found.scores[index]:.0%}"
        boxes.append(html_page.draw_box(tuple(box.tolist()), COLOURS[kind], f"{label} {score}: {kind}"))
        words[kind in mistakes.MISTAKES].append(((float(box[0]), float(box[1])), f"{_short(label)} {score}"))
    ranked = [*words[True], *words[False]]
    shown = ranked if len(ranked) <= html_page.MOST_LABELS else words[True][: html_page.MOST_LABELS]
    return "".join(boxes[-_MOST_BOXES:]) + html_page.draw_labels(shown, (found.width, found.height))


def _short(label: str) -> str:
    return label if len(label) <= _LABEL else label[: _LABEL - 1] + "…"
