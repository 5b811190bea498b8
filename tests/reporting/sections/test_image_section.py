"""The images on the page show every kind of mistake that there is, within bounds."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from odtool.reporting import detections_file, figures
from odtool.reporting.image_links import list_classes, list_kinds
from odtool.reporting.sections import confusion_section, image_section
from odtool.workspace import Run


@pytest.mark.parametrize(("classes", "count"), [(2, 1), (25, 4), (80, 4)])
def test_each_image_is_shown_once_and_adds_something(
    examined_run: Callable[..., Run], classes: int, count: int
) -> None:
    run = examined_run(classes=classes, images=40)
    analysis = figures.analyse(detections_file.read(run.detections))
    choice = image_section.choose_images(analysis, count)
    shown = [verdict.image.key for verdict in choice]
    assert len(shown) == len(set(shown))
    assert len(choice.worst) == count
    assert len(choice.examples) <= 3 * count
    seen = {key for verdict in choice.worst for key in (*list_kinds(verdict), *list_classes(verdict))}
    assert seen
    assert list(image_section.choose_images(analysis, 0)) == []


def test_confusions_of_two_classes_come_before_what_was_missed(examined_run: Callable[..., Run]) -> None:
    run = examined_run(classes=25, images=40)
    analysis = figures.analyse(detections_file.read(run.detections))
    pairs = [pair for pair, _ in confusion_section.list_confusions(analysis.confusion)]
    missed = [0 in pair for pair in pairs]
    assert missed == sorted(missed)
    assert any(missed)
    assert not all(missed)
    page = confusion_section.render(analysis)
    # Each class by its number beside its name, which is whole.
    for number, label in analysis.examination.labels.items():
        assert f'<span class="place">{number}</span> {label.replace("&", "&amp;")}</th>' in page
