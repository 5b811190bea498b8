"""The page of a preview: the augmentations with their options, one image through each of them, and the batches."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path

from odtool.pipeline.text.augmentations import Augmentation
from odtool.reporting.preview.preview_file import Preview, PreviewedImage, PreviewStage, PreviewView
from odtool.reporting.preview.preview_picture import describe_view, render_view
from odtool.visual import html_page
from odtool.visual.html_page import escape_text
from odtool.workspace import Run

_ALL_BYTES = 12_000_000
"""Of the pictures of a page together."""
_MOST_BYTES = 120_000
"""Of a picture, where there are few."""
_SIDE = 1024
"""Pixels of a picture's longer side, where there are few."""
_FOOT = "Pictures are JPEG copies; colours of boxes are those of the classes."


def render(preview: Preview, run: Run) -> str:
    """The whole page."""
    quality = _choose_quality(preview)
    body = [_render_head(preview, run), _render_augmentations(preview.augmentations)]
    if preview.last is not None:
        body.append(_render_stages(preview, quality))
    body.append(_render_batches(preview, quality))
    style = Path(__file__).with_name("preview.css").read_text("utf-8")
    return html_page.render(run.name, "odtool preview", body, foot=_FOOT, style=style, interactive=True)


def _choose_quality(preview: Preview) -> tuple[int, int]:
    """Pixels of the longer side and bytes of a picture."""
    count = 2 * len(preview.images) + sum(1 + len(stage.draws) for stage in preview.stages) + 2
    most = min(_ALL_BYTES // count, _MOST_BYTES)
    return (_SIDE if most > 80_000 else _SIDE // 2), most


def _render_head(preview: Preview, run: Run) -> str:
    lines = [
        str(run.pipeline_config),
        f"What training is given with seed {preview.seed}: each start and each epoch has other chances.",
        "Pixels are shown as they were before the model's normalisation."
        if preview.is_exact
        else "The model's normalisation cannot be undone: its values are shown from black to white.",
    ]
    names = [image.source_id or image.filename for image in preview.images]
    if len(set(names)) < len(names):
        lines.append("An image may come again before all others have come: training shuffles over the end of an epoch.")
    tiles = {}
    if preview.images:
        given = [image.given for image in preview.images]
        sizes = dict.fromkeys(f"{view.width} &times; {view.height}" for view in given)
        tiles["pixels given to the model"] = next(iter(sizes)) if len(sizes) == 1 else f"{len(sizes)} sizes"
        low, high = min(view.low for view in given), max(view.high for view in given)
        tiles["values given to the model"] = f"{low:.3g} to {high:.3g}"
    tiles |= {
        "images per batch": f"{preview.batch_size:,}",
        "augmentations": f"{len(preview.augmentations):,}",
        "images shown": f"{len(preview.images):,}",
    }
    paragraphs = "".join(f'<p class="soft">{escape_text(line)}</p>' for line in lines)
    return f"<header><h1>{escape_text(run.name)}</h1>{paragraphs}</header>\n{html_page.render_tiles(tiles)}"


def _render_augmentations(augmentations: Iterable[Augmentation]) -> str:
    rows = [
        f'<tr><td class="right">{number}</td><td><b>{escape_text(item.name or "no step")}</b></td>'
        f"<td>{_render_options(item)}</td></tr>"
        for number, item in enumerate(augmentations, start=1)
    ]
    heading = "<h2>Augmentations, in their order</h2>\n"
    if not rows:
        return f'{heading}<p class="soft">The config has none: train_config.data_augmentation_options is empty.</p>\n'
    table = html_page.render_table("augmentations", {"": True, "step": False, "options": False}, rows)
    return f'{heading}<section class="card">{table}</section>\n'


def _render_options(item: Augmentation) -> str:
    """What is set first, then defaults in small print."""
    given = [f"<b>{escape_text(name)}</b> {escape_text(value)}" for name, value in item.options.items()]
    defaults = [f"{escape_text(name)} {escape_text(value)}" for name, value in item.defaults.items() if value]
    words = [", ".join(given)] if given else []
    if defaults:
        words.append(f"<i>by default: {', '.join(defaults)}</i>")
    return "; ".join(words) or "<i>it has no options</i>"


def _render_stages(preview: Preview, quality: tuple[int, int]) -> str:
    assert preview.last is not None  # only called where there is one
    first = preview.images[0]
    cards = [_render_single("in the record", first.original, preview, quality)]
    was = len(first.original.objects)
    for number, stage in enumerate(preview.stages, start=1):
        cards.append(_render_stage(number, stage, preview, quality, was))
        was = len(stage.given.objects)
    cards.append(_render_single("resized and normalised: given to the model", preview.last, preview, quality))
    name = escape_text(first.filename or first.source_id)
    note = (
        f"{name} after each augmentation in turn, and beside that three times what the augmentation alone makes of the "
        "image in the record."
    )
    return f'<h2>Step by step</h2>\n<p class="soft">{note}</p>\n{"".join(cards)}'


def _render_single(heading: str, view: PreviewView, preview: Preview, quality: tuple[int, int]) -> str:
    side, most = quality
    figure = render_view(view, preview.labels, describe_view(view, heading), side=side, most=most)
    return f'<section class="card stage"><div class="single">{figure}</div></section>\n'


def _render_stage(number: int, stage: PreviewStage, preview: Preview, quality: tuple[int, int], was: int) -> str:
    side, most = quality
    outcome = "" if stage.changed else " (nothing changed this time)"
    views = [(stage.given, f"after {number}. {stage.augmentation.name}{outcome}", was)]
    originals = len(preview.images[0].original.objects)
    views += [(draw, "alone", originals) for draw in stage.draws]
    figures = "".join(
        render_view(view, preview.labels, describe_view(view, heading, was=before), side=side, most=most)
        for view, heading, before in views
    )
    heading = f"{number}. {escape_text(stage.augmentation.name)}"
    options = f'<p class="options">{_render_options(stage.augmentation)}</p>'
    return f'<section class="card stage"><h3>{heading}</h3>{options}<div>{figures}</div></section>\n'


def _render_batches(preview: Preview, quality: tuple[int, int]) -> str:
    ids = sorted({number for image in preview.images for number in _find_classes(image)})
    names = {str(number): preview.labels.get(number, f"class {number}") for number in ids}
    fields = [html_page.render_choice("classes", "all classes", names), html_page.render_search("search names")]
    parts = [
        "<h2>Batches</h2>\n",
        html_page.render_controls('data-items="pairs"', fields),
        '<div class="pairs" id="pairs">',
    ]
    parts += _render_pairs(preview, quality)
    return "".join([*parts, "</div>\n"])


def _render_pairs(preview: Preview, quality: tuple[int, int]) -> Iterator[str]:
    side, most = quality
    for batch, images in groupby(preview.images, lambda image: image.batch):
        for place, image in enumerate(images, start=1):
            heading = f"Batch {batch}, image {place} of {preview.batch_size:,}: {image.filename or image.source_id}"
            was = len(image.original.objects)
            figures = [
                render_view(view, preview.labels, caption, side=side, most=most)
                for view, caption in (
                    (image.original, describe_view(image.original, "in the record")),
                    (image.given, describe_view(image.given, "given to the model", was=was)),
                )
            ]
            classes = " ".join(str(number) for number in sorted(_find_classes(image)))
            yield (
                f'<section class="pair" data-item data-classes="{classes}"><h3>{escape_text(heading)}</h3>'
                f"<div>{''.join(figures)}</div></section>\n"
            )


def _find_classes(image: PreviewedImage) -> set[int]:
    return {number for view in (image.original, image.given) for item in view.objects for number in item.class_ids}
