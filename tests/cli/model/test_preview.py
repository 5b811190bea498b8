"""odtool preview, with a script in the engine's place."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from odtool.api.tasks import engine_process
from odtool.workspace import Workspace

ENGINE = """
import json, os, pathlib, sys
from PIL import Image
assert sys.argv[1] == "preview" and os.environ["CUDA_VISIBLE_DEVICES"] == "-1"
options = dict(zip(sys.argv[3::2], sys.argv[4::2]))
folder = pathlib.Path(options["--folder"])
if (pathlib.Path(sys.argv[2]) / "broken").exists():
    print(json.dumps({"failed": "the augmentation fails", "hint": "look"}))
    sys.exit(1)
Image.new("RGB", (40, 30), "red").save(folder / "one.png")
item = {"class_ids": [1], "box": [1, 2, 21, 12]}
view = {"file": "one.png", "width": 40, "height": 30, "objects": [item, item], "masks": None, "low": 0, "high": 255,
        "spread": False}
given = {**view, "objects": [item], "low": -1.0, "high": 1.0}
image = {"batch": 1, "source_id": "7", "filename": "<b>.jpg", "original": view, "given": given}
images = [image] * int(options["--images"])
print(json.dumps({"batch_size": 8, "labels": {"1": "a&b"}, "is_exact": True, "images": images}))
"""


def test_the_page_names_augmentations_and_shows_images(odtool: Callable, configured: Workspace) -> None:
    said = odtool("preview", "--images", 2)
    assert said.code == 0
    assert "random_horizontal_flip" in said.out
    assert "2 images in" in said.out
    page = configured.run("mine").preview.read_text()
    assert "probability 0.5" in page
    assert page.count("<img ") == 4
    assert "1 object of 2" in page
    assert "<b>.jpg" not in page
    told = odtool("preview", "mine", "--out", "other.html", "--images", 1, "--json").json
    assert (told["run"], told["seed"], told["batch_size"]) == ("mine", 0, 8)
    assert told["images"][0]["given"]["objects"] == [{"classes": ["a&b"], "box": [1, 2, 21, 12]}]
    assert Path(told["page"]) == Path("other.html").absolute()


def test_the_earlier_page_stays_where_the_engine_fails(odtool: Callable, configured: Workspace) -> None:
    run = configured.run("mine")
    run.preview.write_text("earlier")
    (run.path / "broken").touch()
    said = odtool("preview")
    assert said.code == 1
    assert "the augmentation fails" in said.err
    assert run.preview.read_text() == "earlier"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("train-?????", "gone-?????"), "train_input_reader"),
        (("random_horizontal_flip", "autoaugment_image"), "data_augmentation_options[0].autoaugment_image"),
        (("label_map.pbtxt", "gone.pbtxt"), "gone.pbtxt"),
    ],
)
def test_what_would_fail_is_refused_before_tensorflow_is_loaded(
    odtool: Callable, configured: Workspace, monkeypatch: pytest.MonkeyPatch, change: tuple[str, str], message: str
) -> None:
    monkeypatch.setattr(engine_process, "ENGINE", ("/does/not/exist",))
    config = configured.run("mine").pipeline_config
    config.write_text(config.read_text().replace(*change))
    said = odtool("preview")
    assert said.code == 1
    assert message in said.err
    assert not configured.run("mine").preview.exists()


def test_empty_records_are_refused_as_tensorflow_would_look_for_a_first_one_for_ever(
    odtool: Callable, configured: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine_process, "ENGINE", ("/does/not/exist",))
    for shard in configured.data.shards("train"):
        shard.write_bytes(b"")
    said = odtool("preview")
    assert said.code == 1
    assert "the files are empty" in said.err


@pytest.mark.parametrize("option", [("--images", 0), ("--images", 201), ("--seed", -1), ("--seed", 2**40)])
def test_numbers_that_cannot_be_meant_are_refused(
    odtool: Callable, configured: Workspace, option: tuple[str, int]
) -> None:
    assert odtool("preview", *option).code == 2
