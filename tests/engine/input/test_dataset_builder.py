"""Records reach the model as the API's own builder gives them, also from memory, and with their channels in order."""

from __future__ import annotations

import io
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from odtool.workspace import Run

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("api")]
SHARD = "train-00000-of-00001.tfrecord"


@pytest.fixture
def configs(new_run: Callable[..., Run]) -> dict[str, Any]:
    """A config that reads the records in order, without augmentation."""
    from odtool.engine import model

    def in_order(message: Any) -> None:
        message.train_config.ClearField("data_augmentation_options")
        message.train_input_reader.shuffle = False

    return model.read_configs(new_run(in_order).pipeline_config)


def equal(api: Any, one: Any, other: Any) -> bool:
    pairs = zip(api.nest.flatten(one), api.nest.flatten(other), strict=True)
    return all(left.dtype == right.dtype and (left.numpy() == right.numpy()).all() for left, right in pairs)


def hashes(data: Any, batches: int) -> list[int]:
    return [int(number) for features, _ in data.take(batches) for number in features["hash"]]


def test_training_tensors_are_exactly_those_of_the_stock_builder(api: Any, configs: dict[str, Any]) -> None:
    from object_detection import inputs as stock

    from odtool.engine import model
    from odtool.engine.input import input_pipelines

    detector = model.build_model(configs["model"])
    ours = input_pipelines.build_training_data(configs, detector, api.distribute.get_strategy())
    theirs = stock.train_input(
        configs["train_config"], configs["train_input_config"], configs["model"], model=detector
    ).repeat()
    assert ours.element_spec == theirs.element_spec
    # More than an epoch: 12 images in batches of 2.
    assert all(equal(api, one, other) for one, other in zip(ours.take(8), theirs.take(8), strict=True))


def test_evaluation_tensors_are_exactly_those_of_the_stock_builder(api: Any, configs: dict[str, Any]) -> None:
    from object_detection import inputs as stock

    from odtool.engine import model
    from odtool.engine.input import input_pipelines

    detector = model.build_model(configs["model"])
    reader = configs["eval_input_configs"][0]
    for sample in (1, 2):
        ours = list(input_pipelines.build_evaluation_data(configs, reader, detector, sample=sample))
        reader.sample_1_of_n_examples = sample
        theirs = list(stock.eval_input(configs["eval_config"], reader, configs["model"], model=detector))
        assert len(ours) == 6 // sample
        assert all(equal(api, one, other) for one, other in zip(ours, theirs, strict=True))


@pytest.fixture
def apart(configs: dict[str, Any], data: Path, tmp_path: Path) -> Path:
    """The only file of records that the config names, which may be destroyed."""
    shard = Path(shutil.copy(data / SHARD, tmp_path / SHARD))
    configs["train_input_config"].tf_record_input_reader.input_path[:] = [str(shard)]
    return shard


@pytest.mark.parametrize("shuffle", [False, True])
def test_a_cached_second_epoch_does_not_touch_the_disk(
    api: Any, configs: dict[str, Any], apart: Path, shuffle: bool
) -> None:
    from odtool.engine import model
    from odtool.engine.input import input_pipelines
    from odtool.engine.input.record_cache import RecordCache

    configs["train_input_config"].shuffle = shuffle
    configs["train_input_config"].shuffle_buffer_size = 4
    cache = RecordCache(2**30)
    data = input_pipelines.build_training_data(
        configs, model.build_model(configs["model"]), api.distribute.get_strategy(), cache=cache
    )
    size = apart.stat().st_size
    batches = iter(data)
    first = [int(number) for _ in range(6) for number in next(batches)[0]["hash"]]
    assert cache.size == size
    apart.unlink()
    later = [int(number) for _ in range(12) for number in next(batches)[0]["hash"]]
    assert len(set(later)) == 12
    assert set(first) <= set(later)
    if not shuffle:
        assert later == first * 2


@pytest.mark.parametrize("share", [0.0, 0.4, 0.99])
def test_what_does_not_fit_is_read_from_disk_again_in_the_same_order(api: Any, apart: Path, share: float) -> None:
    from odtool.engine.input.record_cache import RecordCache

    limit = int(apart.stat().st_size * share)
    cache = RecordCache(limit)
    stock = list(api.data.TFRecordDataset(str(apart)).as_numpy_iterator())
    cached = api.data.Dataset.from_tensors(str(apart)).repeat(3).flat_map(cache.records)
    assert list(cached.as_numpy_iterator()) == stock * 3
    assert cache.size <= limit
    assert (cache.size > 0) == (share > 0)
    if share:
        # Only what was not kept is read: the beginning of the file may be anything by now.
        with apart.open("r+b") as stream:
            stream.write(b"\0" * cache.size)
        assert list(cached.as_numpy_iterator()) == stock * 3


def test_files_are_kept_whole_until_the_limit(api: Any, apart: Path, tmp_path: Path) -> None:
    from odtool.engine.input.record_cache import RecordCache

    size = apart.stat().st_size
    paths = [str(shutil.copy(apart, tmp_path / f"{index}.tfrecord")) for index in range(3)]
    empty = tmp_path / "empty.tfrecord"
    empty.touch()
    cache = RecordCache(2 * size)
    cached = api.data.Dataset.from_tensor_slices([*paths, str(empty)]).repeat(2).flat_map(cache.records)
    assert len(list(cached)) == 2 * 3 * 12
    assert cache.size == 2 * size
    for path in paths[:2]:
        Path(path).unlink()
    assert len(list(cached)) == 2 * 3 * 12


def test_channels_are_rgb_from_record_to_model(api: Any, configs: dict[str, Any], tmp_path: Path) -> None:
    from odtool.engine import model
    from odtool.engine.input import input_pipelines

    detector = model.build_model(configs["model"])

    def first_images(colour: tuple[int, int, int]) -> list[Any]:
        path = tmp_path / f"{colour}.tfrecord"
        write(api, path, colour)
        for reader in (configs["train_input_config"], configs["eval_input_configs"][0]):
            reader.tf_record_input_reader.input_path[:] = [str(path)]
        training = input_pipelines.build_training_data(configs, detector, api.distribute.get_strategy())
        evaluation = input_pipelines.build_evaluation_data(
            configs, configs["eval_input_configs"][0], detector, sample=1
        )
        return [next(iter(data))[0]["image"][:1] for data in (training, evaluation)]

    (red, red_again), (blue, _) = first_images((250, 100, 10)), first_images((10, 100, 250))
    assert (red == red_again).numpy().all()
    # The small SSD's preprocessing maps 0..255 to -1..1.
    assert [float(red[0, 48, 48, channel]) for channel in range(3)] == pytest.approx(
        [250 / 127.5 - 1, 100 / 127.5 - 1, 10 / 127.5 - 1], abs=1e-5
    )
    assert (red[..., ::-1] == blue).numpy().all()
    shapes = api.constant([[96, 96, 3]])
    one, other = (detector.predict(image, shapes)["class_predictions_with_background"].numpy() for image in (red, blue))
    # Of random weights the scores are tiny, but not the same.
    assert abs(one - other).max() > 0.01 * abs(one).max() > 0


def write(api: Any, path: Path, colour: tuple[int, int, int]) -> None:
    """Two images of one colour, with one box each."""
    stream = io.BytesIO()
    Image.new("RGB", (96, 96), colour).save(stream, "PNG")
    example = api.train.Example()
    values = example.features.feature
    values["image/encoded"].bytes_list.value.append(stream.getvalue())
    values["image/source_id"].bytes_list.value.append(b"one")
    values["image/object/class/text"].bytes_list.value.append(b"disc")
    for key, value in (("xmin", 0.1), ("ymin", 0.1), ("xmax", 0.9), ("ymax", 0.9)):
        values[f"image/object/bbox/{key}"].float_list.value.append(value)
    with api.io.TFRecordWriter(str(path)) as writer:
        for _ in range(2):
            writer.write(example.SerializeToString())
