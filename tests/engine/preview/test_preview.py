"""What is shown is what training is given: the very pixels and boxes, the same for the same seed, masks among them."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw

from odtool.api.tasks.engine_tasks import PreviewTask
from odtool.workspace import Run

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("api")]
FLIP = "random_horizontal_flip { probability: 1.0 }"
STEPS = f"{FLIP}|random_crop_image {{ }}|random_adjust_brightness {{ }}"


def augment(message: Any, steps: str = STEPS) -> None:
    from google.protobuf import text_format

    message.train_config.ClearField("data_augmentation_options")
    for step in filter(None, steps.split("|")):
        text_format.Parse(step, message.train_config.data_augmentation_options.add())


def write(run: Run, folder: Path, **options: Any) -> dict[str, Any]:
    from odtool.engine.preview.preview import write_preview

    folder.mkdir()
    return write_preview(PreviewTask(run=run, folder=folder, **options))


def pixels(folder: Path, view: dict[str, Any]) -> Any:
    with Image.open(folder / view["file"]) as picture:
        return np.asarray(picture).astype(int)


def test_without_augmentation_the_picture_is_the_record_resized(new_run: Callable[..., Run], tmp_path: Path) -> None:
    run = new_run(lambda message: augment(message, ""))
    answer = write(run, tmp_path / "out", images=3)
    assert answer["is_exact"]
    assert answer["batch_size"] == 2
    assert [image["batch"] for image in answer["images"]] == [1, 1, 2]
    for image in answer["images"]:
        original, given = image["original"], image["given"]
        assert (original["width"], given["width"]) == (120, 96)
        assert given["objects"][0]["class_ids"] == original["objects"][0]["class_ids"]
        assert given["objects"][0]["box"] == pytest.approx(
            [side * 96 / 120 for side in original["objects"][0]["box"]], abs=0.02
        )
        resized = Image.fromarray(pixels(tmp_path / "out", original).astype(np.uint8)).resize((96, 96), 2)
        # Pillow smooths where it makes smaller, TensorFlow does not: edges differ, surfaces do not.
        assert np.median(abs(np.asarray(resized).astype(int) - pixels(tmp_path / "out", given))) <= 1


def test_a_flipped_image_is_shown_with_flipped_boxes(new_run: Callable[..., Run], tmp_path: Path) -> None:
    def flip(message: Any) -> None:
        augment(message, FLIP)
        message.model.ssd.image_resizer.fixed_shape_resizer.height = 120
        message.model.ssd.image_resizer.fixed_shape_resizer.width = 120

    answer = write(new_run(flip), tmp_path / "out", images=1)
    (image,) = answer["images"]
    (xmin, ymin, xmax, ymax) = image["original"]["objects"][0]["box"]
    assert image["given"]["objects"][0]["box"] == pytest.approx([120 - xmax, ymin, 120 - xmin, ymax], abs=0.02)
    before, after = (pixels(tmp_path / "out", image[name]) for name in ("original", "given"))
    assert abs(before[:, ::-1] - after).max() <= 1


def test_the_same_seed_shows_the_same_and_another_one_something_else(
    new_run: Callable[..., Run], tmp_path: Path
) -> None:
    run = new_run(augment)
    one, again, other = (
        write(run, tmp_path / name, images=4, seed=seed, step_by_step=True)
        for name, seed in (("one", 3), ("again", 3), ("other", 4))
    )
    assert one == again
    assert [path.read_bytes() for path in sorted((tmp_path / "one").iterdir())] == [
        path.read_bytes() for path in sorted((tmp_path / "again").iterdir())
    ]
    assert one["images"] != other["images"]
    assert one["stages"] != other["stages"]


def test_each_step_is_made_of_the_one_before_it(new_run: Callable[..., Run], tmp_path: Path) -> None:
    steps = f"{FLIP}|random_vertical_flip {{ probability: 1.0 }}|random_rotation90 {{ probability: 1e-9 }}"
    answer = write(new_run(lambda message: augment(message, steps)), tmp_path / "out", images=1, step_by_step=True)
    record = pixels(tmp_path / "out", answer["images"][0]["original"])
    mirrored, upside_down, unturned = (pixels(tmp_path / "out", stage["given"]) for stage in answer["stages"])
    assert (mirrored == record[:, ::-1]).all()
    assert (upside_down == record[::-1, ::-1]).all()
    assert (unturned == upside_down).all()
    assert [stage["changed"] for stage in answer["stages"]] == [True, True, False]
    alone = pixels(tmp_path / "out", answer["stages"][1]["draws"][0])
    assert (alone == record[::-1]).all()
    assert answer["last"]["width"] == 96


def test_masks_are_resized_and_flipped_with_their_image(api: Any, new_run: Callable[..., Run], tmp_path: Path) -> None:
    path = tmp_path / "masked.tfrecord"
    _write_masked(api, path)

    def read_masks(message: Any) -> None:
        augment(message, FLIP)
        message.train_input_reader.tf_record_input_reader.input_path[:] = [str(path)]
        message.train_input_reader.load_instance_masks = True
        message.train_input_reader.mask_type = 2  # PNG_MASKS

    answer = write(new_run(read_masks), tmp_path / "out", images=1)
    for name, left in (("original", 10), ("given", 96 - 10 - 30)):
        view = answer["images"][0][name]
        with Image.open(tmp_path / "out" / view["masks"]) as picture:
            owners = np.asarray(picture)
        # Two objects, the second one over the first.
        assert set(np.unique(owners)) == {0, 1, 2}
        columns = np.flatnonzero((owners == 1).any(0))
        assert (columns.min(), columns.max()) == (left, left + 29)


def _write_masked(api: Any, path: Path) -> None:
    example = api.train.Example()
    values = example.features.feature

    def encode(image: Image.Image) -> bytes:
        stream = io.BytesIO()
        image.save(stream, "PNG")
        return stream.getvalue()

    values["image/encoded"].bytes_list.value.append(encode(Image.new("RGB", (96, 96), "grey")))
    values["image/source_id"].bytes_list.value.append(b"masked")
    for box, label in (((10, 20, 40, 60), b"disc"), ((20, 30, 30, 40), b"square")):
        mask = Image.new("L", (96, 96))
        ImageDraw.Draw(mask).rectangle((box[0], box[1], box[2] - 1, box[3] - 1), fill=1)
        values["image/object/mask"].bytes_list.value.append(encode(mask))
        values["image/object/class/text"].bytes_list.value.append(label)
        for key, side in zip(("xmin", "ymin", "xmax", "ymax"), box, strict=True):
            values[f"image/object/bbox/{key}"].float_list.value.append(side / 96)
    with api.io.TFRecordWriter(str(path)) as writer:
        for _ in range(2):
            writer.write(example.SerializeToString())


def test_pixels_come_back_from_other_normalisations(api: Any) -> None:
    from odtool.engine.preview.pixel_recovery import PixelRecovery

    class Model:
        """Subtracts means and swaps channels, as CenterNet's preprocessing does."""

        def preprocess(self, images: Any) -> Any:
            return (images[..., ::-1] - [103.0, 116.0, 123.0]) / [57.0, 58.0, 59.0], None

    class Clipping:
        def preprocess(self, images: Any) -> Any:
            return api.minimum(images, 50.0), None

    image = np.random.default_rng(0).integers(0, 256, (1, 8, 8, 3)).astype(np.float32)
    recovery = PixelRecovery(Model(), (8, 8))
    shown, is_spread = recovery.recover(Model().preprocess(api.constant(image))[0].numpy()[0])
    assert (shown == image[0]).all()
    assert not is_spread
    clipped = PixelRecovery(Clipping(), (8, 8))
    assert not clipped.is_exact
    assert clipped.recover(image[0])[1]


def test_defaults_are_those_that_the_functions_have(api: Any) -> None:
    """What the config leaves unset is told as the function takes it, whether the builder passes it on or not."""
    import inspect

    from object_detection.builders import preprocessor_builder
    from object_detection.protos import preprocessor_pb2

    from odtool.pipeline.text import augmentations

    different = []
    for field in preprocessor_pb2.PreprocessingStep.DESCRIPTOR.fields:
        step = preprocessor_pb2.PreprocessingStep()
        getattr(step, field.name).SetInParent()
        told = augmentations.describe(step).defaults
        function, arguments = preprocessor_builder.build(step)
        for name, parameter in inspect.signature(function).parameters.items():
            if name in told and name not in arguments and isinstance(parameter.default, (int, float)):
                value = float({"true": 1, "false": 0}.get(told[name], told[name]))
                if value != pytest.approx(float(parameter.default)):
                    different.append((field.name, name, told[name], parameter.default))
    assert different == []
