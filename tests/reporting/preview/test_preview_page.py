"""The page of a preview shows what it was given: steps, masks and keypoints, and filters pairs by class."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from odtool.pipeline.text.augmentations import Augmentation
from odtool.reporting.preview import preview_file, preview_page
from odtool.workspace import Run

FLIP = Augmentation("random_horizontal_flip", {"probability": "0.3"}, {})
CROP = Augmentation("random_crop_image", {}, {"min_area": "0.1"})


@pytest.fixture
def answer(tmp_path: Path) -> dict[str, Any]:
    """Two images of different classes, the first of which has a mask and keypoints."""
    Image.new("RGB", (40, 30), "#808080").save(tmp_path / "grey.png")
    owners = Image.new("I;16", (40, 30))
    owners.paste(1, (0, 0, 20, 30))
    owners.save(tmp_path / "masks.png")
    plain = {"file": "grey.png", "width": 40, "height": 30, "masks": None, "low": 0, "high": 255, "spread": False}

    def view(number: int, **more: Any) -> dict[str, Any]:
        return {**plain, "objects": [{"class_ids": [number], "box": [1, 2, 21, 12], "keypoints": [[3, 4]]}], **more}

    return {
        "batch_size": 1,
        "labels": {"1": "cat", "2": "dog"},
        "is_exact": False,
        "images": [
            {"batch": number, "source_id": "", "filename": f"{number}.jpg", "original": view(number), "given": given}
            for number, given in ((1, view(1, masks="masks.png", spread=True)), (2, view(2)))
        ],
        "stages": [
            {"given": view(1), "changed": False, "draws": [view(1)] * 3},
            {"given": view(1, objects=[]), "changed": True, "draws": [view(1)] * 3},
        ],
        "last": view(1),
    }


def render(answer: dict[str, Any], folder: Path) -> str:
    return preview_page.render(preview_file.parse(answer, folder, [FLIP, CROP], 5), Run(folder / "train" / "mine"))


def test_every_step_is_named_with_its_options(answer: dict[str, Any], tmp_path: Path) -> None:
    page = render(answer, tmp_path)
    words = re.sub(r"<[^>]*>", " ", page)
    assert "1. random_horizontal_flip (nothing changed this time)" in words
    assert re.search(r"probability\s+0\.3", words)
    assert "by default: min_area 0.1" in words
    assert "0 objects of 1" in words
    assert page.count("<b>alone</b>") == 6
    assert "seed 5" in words
    assert "cannot be undone" in words
    assert "shown from black to white" in words


def test_masks_are_laid_over_the_picture(answer: dict[str, Any], tmp_path: Path) -> None:
    page = render(answer, tmp_path)
    pictures = re.findall(r'<img src="([^"]*)"', page)
    assert len(pictures) == 4 + 8 + 2
    assert len(set(pictures)) == 2
    assert "<circle" in page


def test_without_augmentation_the_page_says_so(answer: dict[str, Any], tmp_path: Path) -> None:
    del answer["stages"], answer["last"]
    page = preview_page.render(preview_file.parse(answer, tmp_path, [], 0), Run(tmp_path / "mine"))
    assert "The config has none" in page
    assert "Step by step" not in page


def test_a_choice_of_class_hides_the_other_pairs(
    answer: dict[str, Any], tmp_path: Path, opened: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    script = """<script>
        const field = document.querySelector('select[data-by="classes"]');
        field.value = "2"; field.dispatchEvent(new Event("input"));
        document.body.dataset.seen = [...document.querySelectorAll(".pair")].map(pair => pair.hidden).join(" ");
        document.body.dataset.wide = document.documentElement.scrollWidth > innerWidth;
    </script></body>"""
    page = render(answer, tmp_path)
    page = re.sub(r"script-src 'sha256-[^']*'", "script-src 'unsafe-inline'", page).replace("</body>", script)
    (tmp_path / "page.html").write_text(page)
    done = opened(tmp_path / "page.html")
    assert 'data-seen="true false"' in done.stdout
    assert 'data-wide="false"' in done.stdout
    assert "CONSOLE" not in done.stderr
