"""A training step learns what the API's own does, by a graph that does not grow with the batch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from odtool.pipeline.text import config
from odtool.pipeline.zoo import zoo
from tests.engine.conftest import CONFIG

pytestmark = pytest.mark.usefixtures("api")


class Learner:
    """A model with what a step needs, and constant batches of random images and boxes."""

    def __init__(self, message: Any, *, side: int, classes: int) -> None:
        from odtool.engine import model

        self.settings = message.train_config
        self._side, self._classes = side, classes
        self.detector = model.build_model(message.model)
        features, labels = self.draw(2)
        self.trainable = model.build_trainable({"train_config": self.settings}, self.detector, (features, labels))

    def draw(self, batch: int, *, seed: int = 0, rows: int = 12) -> tuple[dict[str, Any], dict[str, Any]]:
        """As the input pipeline gives them; one image has no box, and boxes that weigh nothing are padding."""
        import numpy as np
        import tensorflow as tf

        rng = np.random.default_rng(seed)
        counts = rng.integers(0, rows, batch)
        counts[0] = 0
        real = (np.arange(rows) < counts[:, np.newaxis]).astype(np.float32)
        low = rng.uniform(0, 0.7, (batch, rows, 2))
        corners = np.concatenate([low, low + rng.uniform(0.1, 0.3, low.shape)], -1) * real[..., np.newaxis]
        one_hot = np.eye(self._classes)[rng.integers(0, self._classes, (batch, rows))] * real[..., np.newaxis]
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


def parse_small(change: Callable[[Any], object] = lambda message: None) -> Any:
    message = config.parse(CONFIG, "CONFIG").message
    change(message)
    return message


def build_zoo_model(name: str) -> Any:
    message = zoo.build(zoo.find(name)).message
    message.train_config.use_bfloat16 = False
    return message


@pytest.fixture
def stock_matching(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Leaves the models that are built from then on as the API makes them."""
    from odtool.engine.match import detectors

    return lambda: monkeypatch.setattr(detectors, "assign_in_batches", lambda _: None)


def set_clipping(message: Any) -> None:
    message.train_config.gradient_clipping_by_norm = 1.0
    message.train_config.unpad_groundtruth_tensors = False


def use_background_class(message: Any) -> None:
    message.model.ssd.add_background_class = False
    message.model.ssd.matcher.argmax_matcher.unmatched_threshold = 0.3


@pytest.mark.parametrize("change", [lambda message: None, set_clipping, use_background_class])
def test_twenty_steps_give_the_losses_and_weights_of_the_stock_step(
    api: Any, change: Callable[[Any], object], stock_matching: Callable[[], None]
) -> None:
    import numpy as np

    own = Learner(parse_small(change), side=96, classes=2)
    stock_matching()
    stock = Learner(parse_small(change), side=96, classes=2)
    for mine, theirs in zip(own.detector.variables, stock.detector.variables, strict=True):
        mine.assign(theirs)
    own_step = api.function(own.take_own_step, autograph=False)
    stock_step = api.function(stock.take_stock_step, autograph=False)
    for seed in range(20):
        batch = own.draw(3, seed=seed)
        ours, theirs = own_step(*batch), stock_step(*batch)
        assert ours.keys() == theirs.keys()
        for name, value in theirs.items():
            assert float(ours[name]) == pytest.approx(float(value), rel=1e-4), (seed, name)
    for mine, theirs in zip(own.detector.trainable_variables, stock.detector.trainable_variables, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-3, atol=1e-4, err_msg=mine.name)


def test_the_step_of_a_small_model_has_no_operation_for_an_image() -> None:
    learner = Learner(parse_small(), side=96, classes=2)
    assert learner.count_operations(16) == learner.count_operations(4)
