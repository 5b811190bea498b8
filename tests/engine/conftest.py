"""A small data set, a small SSD, and a run trained for four steps, made once for all tests of the engine."""

from __future__ import annotations

import io
import random
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageDraw

from odtool.pipeline.text import config
from odtool.workspace import Run

Engine = Callable[..., subprocess.CompletedProcess[str]]

CONFIG = """
model {
  ssd {
    num_classes: 2
    image_resizer { fixed_shape_resizer { height: 96 width: 96 } }
    feature_extractor {
      type: "ssd_mobilenet_v2_fpn_keras" depth_multiplier: 0.35 min_depth: 8 use_depthwise: true
      fpn { min_level: 3 max_level: 5 additional_layer_depth: 16 }
      conv_hyperparams {
        activation: RELU_6 regularizer { l2_regularizer { weight: 0.00004 } }
        initializer { random_normal_initializer { stddev: 0.01 } } batch_norm { decay: 0.9 }
      }
      override_base_feature_extractor_hyperparams: true
    }
    box_coder { faster_rcnn_box_coder { } }
    matcher { argmax_matcher { matched_threshold: 0.5 unmatched_threshold: 0.5 force_match_for_each_row: true } }
    similarity_calculator { iou_similarity { } }
    encode_background_as_zeros: true
    anchor_generator {
      multiscale_anchor_generator { min_level: 3 max_level: 5 anchor_scale: 4.0 aspect_ratios: [1.0, 2.0, 0.5] }
    }
    box_predictor {
      weight_shared_convolutional_box_predictor {
        depth: 16 kernel_size: 3 num_layers_before_predictor: 1 use_depthwise: true
        conv_hyperparams {
          activation: RELU_6 regularizer { l2_regularizer { weight: 0.00004 } }
          initializer { random_normal_initializer { stddev: 0.01 } } batch_norm { decay: 0.9 }
        }
      }
    }
    loss {
      classification_loss { weighted_sigmoid_focal { alpha: 0.25 gamma: 2.0 } }
      localization_loss { weighted_smooth_l1 { } }
    }
    normalize_loss_by_num_matches: true
    post_processing {
      batch_non_max_suppression {
        score_threshold: 1e-8 iou_threshold: 0.6 max_detections_per_class: 20 max_total_detections: 20
      }
      score_converter: SIGMOID
    }
  }
}
train_config {
  batch_size: 2 num_steps: 4 max_number_of_boxes: 10
  data_augmentation_options { random_horizontal_flip { } }
  optimizer {
    momentum_optimizer {
      learning_rate { cosine_decay_learning_rate { learning_rate_base: 0.01 total_steps: 1000 warmup_steps: 0 } }
      momentum_optimizer_value: 0.9
    }
    use_moving_average: false
  }
}
train_input_reader {
  label_map_path: "DATA/label_map.pbtxt"
  tf_record_input_reader { input_path: "DATA/train-00000-of-00001.tfrecord" }
}
eval_config { metrics_set: "coco_detection_metrics" num_visualizations: 1 }
eval_input_reader {
  label_map_path: "DATA/label_map.pbtxt" shuffle: false num_epochs: 1
  tf_record_input_reader { input_path: "DATA/val-00000-of-00001.tfrecord" }
}
"""


@pytest.fixture(scope="session")
def api() -> Any:
    """TensorFlow, with the Object Detection API loaded beside it."""
    from odtool.engine import compat

    compat.load()
    import tensorflow as tf

    return tf


@pytest.fixture(scope="session")
def data(api: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Records of discs and squares: 12 images to train on, 6 to evaluate on."""
    folder = tmp_path_factory.mktemp("data")
    chance = random.Random(0)
    for split, count in (("train", 12), ("val", 6)):
        with api.io.TFRecordWriter(str(folder / f"{split}-00000-of-00001.tfrecord")) as writer:
            for index in range(count):
                writer.write(_example(api, f"{split}-{index}", chance).SerializeToString())
    (folder / "label_map.pbtxt").write_text('item { id: 1 name: "disc" }\nitem { id: 2 name: "square" }\n')
    return folder


def _example(api: Any, name: str, chance: random.Random) -> Any:
    size, side = 120, chance.randint(30, 60)
    left, top, number = chance.randint(0, size - side - 1), chance.randint(0, size - side - 1), chance.randint(1, 2)
    image = Image.new("RGB", (size, size), "grey")
    pen = ImageDraw.Draw(image)
    (pen.ellipse if number == 1 else pen.rectangle)((left, top, left + side, top + side), fill="red")
    stream = io.BytesIO()
    image.save(stream, "JPEG")
    example = api.train.Example()
    values = example.features.feature
    values["image/encoded"].bytes_list.value.append(stream.getvalue())
    values["image/format"].bytes_list.value.append(b"jpeg")
    for key in ("image/source_id", "image/filename"):
        values[key].bytes_list.value.append(name.encode())
    for key, value in (("xmin", left), ("ymin", top), ("xmax", left + side), ("ymax", top + side)):
        values[f"image/object/bbox/{key}"].float_list.value.append(value / size)
    values["image/object/class/text"].bytes_list.value.append((b"disc", b"square")[number - 1])
    values["image/object/class/label"].int64_list.value.append(number)
    return example


@pytest.fixture
def new_run(data: Path, tmp_path: Path) -> Callable[..., Run]:
    """Makes a run of the small SSD; the function given may change its config before it is written."""

    def make(change: Callable[[Any], object] = lambda message: None) -> Run:
        run = Run(tmp_path / "train" / "small")
        made = config.parse(CONFIG.replace("DATA", str(data)), "CONFIG")
        change(made.message)
        run.path.mkdir(parents=True, exist_ok=True)
        run.pipeline_config.write_text(config.dump(made))
        return run

    return make


def _run_engine(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "odtool.engine", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture(scope="session")
def engine() -> Engine:
    """Runs a task of the engine in a process of its own, to its end."""
    return _run_engine


@pytest.fixture
def start_engine() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts a task of the engine and leaves it running; what is left at the end is killed."""
    started: list[subprocess.Popen[str]] = []

    def start(*arguments: object) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "odtool.engine", *map(str, arguments)]
        started.append(subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


@pytest.fixture(scope="session")
def _trained(data: Path, engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    run = Run(tmp_path_factory.mktemp("train") / "small")
    run.path.mkdir(exist_ok=True)
    run.pipeline_config.write_text(CONFIG.replace("DATA", str(data)))
    done = engine("train", run.path, "--checkpoint-every", 2)
    assert done.returncode == 0, done.stderr
    return run.path, done.stderr


@pytest.fixture
def trained(_trained: tuple[Path, str], tmp_path: Path) -> Run:
    """A copy of a run trained for 4 steps with a checkpoint every 2."""
    return Run(Path(shutil.copytree(_trained[0], tmp_path / "small")))


@pytest.fixture
def training_log(_trained: tuple[Path, str]) -> str:
    """What the training of `trained` said."""
    return _trained[1]


@pytest.fixture(scope="session")
def learned(data: Path, engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run that has learned (mAP@.5:.95 some 0.4): 300 steps, ckpt-300. Not to be changed."""
    run = Run(tmp_path_factory.mktemp("learned") / "small")
    run.path.mkdir()
    made = config.parse(CONFIG.replace("DATA", str(data)), "CONFIG")
    settings = made.message.train_config
    settings.num_steps, settings.batch_size = 300, 4
    rate = settings.optimizer.momentum_optimizer.learning_rate.cosine_decay_learning_rate
    rate.learning_rate_base, rate.total_steps = 0.05, 300
    run.pipeline_config.write_text(config.dump(made))
    done = engine("train", run.path, "--checkpoint-every", 300)
    assert done.returncode == 0, done.stderr
    return run


class Learner:
    """A model with what a training step needs, and batches of random images and boxes."""

    def __init__(self, message: Any, *, side: int) -> None:
        from odtool.engine import model

        self.settings = message.train_config
        self._model_config = getattr(message.model, message.model.WhichOneof("model"))
        self._side = side
        self.detector = model.build_model(message.model)
        self.trainable = model.build_trainable({"train_config": self.settings}, self.detector, self.draw(2))

    def draw(self, batch: int, *, seed: int = 0, rows: int = 12) -> tuple[dict[str, Any], dict[str, Any]]:
        """Features and labels; one image has no box, and boxes that weigh nothing are padding."""
        import numpy as np
        import tensorflow as tf

        rng = np.random.default_rng(seed)
        counts = rng.integers(0, rows, batch)
        counts[0] = 0
        real = (np.arange(rows) < counts[:, np.newaxis]).astype(np.float32)
        low = rng.uniform(0, 0.7, (batch, rows, 2))
        corners = np.concatenate([low, low + rng.uniform(0.1, 0.3, low.shape)], -1) * real[..., np.newaxis]
        classes = self._model_config.num_classes
        one_hot = np.eye(classes)[rng.integers(0, classes, (batch, rows))] * real[..., np.newaxis]
        shape = [self._side, self._side, 3]
        features = {
            "image": tf.constant(rng.uniform(-1, 1, (batch, *shape)), tf.float32),
            "true_image_shape": tf.constant([shape] * batch, tf.int32),
        }
        labels = {
            "num_groundtruth_boxes": tf.constant(counts, tf.int32),
            "groundtruth_boxes": tf.constant(corners, tf.float32),
            "groundtruth_classes": tf.constant(one_hot, tf.float32),
            "groundtruth_weights": tf.constant(real),
            "groundtruth_is_crowd": tf.zeros([batch, rows], tf.bool),
        }
        if getattr(self._model_config, "number_of_stages", 2) == 3:
            masks = rng.integers(0, 2, (batch, rows, *shape[:2])) * real[..., np.newaxis, np.newaxis]
            labels["groundtruth_instance_masks"] = tf.constant(masks, tf.float32)
        if hasattr(self._model_config, "keypoint_estimation_task"):
            # Of some objects not every keypoint is known.
            points = rng.uniform(0, 1, (batch, rows, 17, 2)) * rng.choice([1, 1, 1, np.nan], (batch, rows, 17, 1))
            labels["groundtruth_keypoints"] = tf.constant(points * real[..., np.newaxis, np.newaxis], tf.float32)
        return features, labels

    def take_own_step(self, features: Any, labels: Any) -> Any:
        from odtool.engine.train import training_step

        return training_step.take_step(self.trainable, self.settings, features, labels)

    def take_stock_step(self, features: Any, labels: Any) -> Any:
        from object_detection import model_lib_v2

        clip = self.settings.gradient_clipping_by_norm
        return model_lib_v2.eager_train_step(
            self.detector,
            features,
            labels,
            self.settings.unpad_groundtruth_tensors,
            self.trainable.optimizer,
            training_step=self.trainable.step,
            add_regularization_loss=self.settings.add_regularization_loss,
            clip_gradients_value=clip if clip > 0 else None,
        )

    def count_operations(self, batch: int) -> int:
        """Of the whole step, functions that it calls and the bodies of loops included."""
        import tensorflow as tf

        traced = tf.function(self.take_own_step, autograph=False).get_concrete_function(*self.draw(batch))
        graph = traced.graph.as_graph_def()
        return len(graph.node) + sum(len(function.node_def) for function in graph.library.function)


@pytest.fixture
def make_learner(api: Any) -> type[Learner]:
    """Makes Learners of a pipeline.config's message."""
    return Learner


@pytest.fixture
def small_message() -> Callable[..., Any]:
    """Makes the small SSD's config; the function given may change it."""

    def make(change: Callable[[Any], object] = lambda message: None) -> Any:
        message = config.parse(CONFIG, "CONFIG").message
        change(message)
        return message

    return make


@pytest.fixture
def assert_equal_steps(api: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Takes steps from the same weights on the same batches, odtool's and the API's own: nothing may differ."""
    import numpy as np

    from odtool.engine.match import detectors

    def take_both(message: Any, *, side: int, steps: int, rel: float = 1e-4) -> None:
        own = Learner(message, side=side)
        with monkeypatch.context() as patch:
            patch.setattr(detectors, "assign_in_batches", lambda _: None)
            stock = Learner(message, side=side)
        for mine, theirs in zip(own.detector.variables, stock.detector.variables, strict=True):
            mine.assign(theirs)
        own_step = api.function(own.take_own_step, autograph=False)
        stock_step = api.function(stock.take_stock_step, autograph=False)
        for seed in range(steps):
            batch = own.draw(3, seed=seed)
            ours, theirs = own_step(*batch), stock_step(*batch)
            assert ours.keys() == theirs.keys()
            for name, value in theirs.items():
                assert float(ours[name]) == pytest.approx(float(value), rel=rel, abs=1e-6), (seed, name)
        for mine, theirs in zip(own.detector.trainable_variables, stock.detector.trainable_variables, strict=True):
            np.testing.assert_allclose(mine, theirs, rtol=1e-3, atol=1e-4, err_msg=mine.name)

    return take_both
