"""CenterNet learns for a batch at once what the API has it learn image by image."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from odtool.pipeline.zoo import zoo

SIDE = 128


@pytest.fixture
def center_net(tmp_path: Path) -> Callable[..., Any]:
    """Makes the config of a small CenterNet, with or without keypoints."""

    def make(*, keypoints: bool, sparse: bool = False, unpad: bool = True) -> Any:
        message = zoo.build(zoo.find("centernet_resnet50_v1_fpn_512x512_kpts_coco17_tpu-8")).message
        model = message.model.center_net
        model.num_classes = 3
        resizer = model.image_resizer.keep_aspect_ratio_resizer
        resizer.min_dimension = resizer.max_dimension = SIDE
        model.compute_heatmap_sparse = sparse
        tasks = model.keypoint_estimation_task
        if keypoints:
            names = sorted(tasks[0].keypoint_label_to_std)
            points = "\n".join(f'keypoints {{ id: {number} label: "{name}" }}' for number, name in enumerate(names))
            label_map = tmp_path / "label_map.pbtxt"
            label_map.write_text(f'item {{ id: 1 name: "{tasks[0].keypoint_class_name}" {points} }}\n')
            model.keypoint_label_map_path = str(label_map)
        else:
            del tasks[:]
        message.train_config.unpad_groundtruth_tensors = unpad
        return message

    return make


class Instances:
    """Boxes, classes, weights and keypoints of some images: classes may be none or several, keypoints unknown."""

    def __init__(self, seed: int, counts: Sequence[int]) -> None:
        import numpy as np

        rng = np.random.default_rng(seed)
        self.counts = counts
        low = [rng.uniform(0, 0.7, (count, 2)) for count in counts]
        self.boxes = [np.concatenate([part, part + rng.uniform(0, 0.3, part.shape)], 1) for part in low]
        self.classes = [rng.integers(0, 2, (count, 3)) for count in counts]
        self.weights = [rng.choice([0, 0.5, 1], count) for count in counts]
        self.keypoints = [rng.uniform(0, 1, (n, 4, 2)) * rng.choice([1, 1, np.nan], (n, 4, 1)) for n in counts]

    def list(self) -> dict[str, Any]:
        import tensorflow as tf

        return {
            f"gt_{name}_list": [tf.constant(value, tf.float32) for value in getattr(self, name)]
            for name in ("boxes", "classes", "weights", "keypoints")
        }

    def flatten(self) -> dict[str, Any]:
        import numpy as np
        import tensorflow as tf

        from odtool.engine.match.center_targets import FlatList

        images = tf.constant(np.repeat(np.arange(len(self.counts)), self.counts), tf.int32)
        return {name: FlatList(tf.concat(parts, 0), images, len(self.counts)) for name, parts in self.list().items()}


def assert_same(stock: Any, own: Any) -> None:
    import tensorflow as tf

    for theirs, ours in zip(tf.nest.flatten(stock), tf.nest.flatten(own), strict=True):
        assert (theirs.shape, theirs.dtype) == (ours.shape, ours.dtype)
        assert (theirs.numpy() == ours.numpy()).all()


@pytest.fixture(params=[2**25, 300])
def pixels(api: Any, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Heat maps drawn all at once, and one after the other."""
    from odtool.engine.match import heat_maps

    monkeypatch.setattr(heat_maps, "PIXELS", request.param)


COUNTS = [(3, 0, 5), (0, 0), (1,), (20, 1, 7, 0)]


@pytest.mark.usefixtures("pixels")
@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("counts", COUNTS)
def test_center_maps_are_the_stock_ones(sparse: bool, counts: Sequence[int]) -> None:
    from object_detection.core.target_assigner import CenterNetCenterHeatmapTargetAssigner

    from odtool.engine.match.center_targets import CenterAssigner

    names = ("gt_boxes_list", "gt_classes_list", "gt_weights_list")
    for seed in range(3):
        drawn = Instances(seed, counts)
        stock = CenterNetCenterHeatmapTargetAssigner(4, 0.7, compute_heatmap_sparse=sparse)
        lists, flat = drawn.list(), drawn.flatten()
        theirs = stock.assign_center_targets_from_boxes(64, 128, *(lists[name] for name in names))
        ours = CenterAssigner(stock).assign_center_targets_from_boxes(64, 128, *(flat[name] for name in names))
        assert_same(theirs, ours)
        assert_same(theirs, CenterAssigner(stock).assign_center_targets_from_boxes(64, 128, *(lists[n] for n in names)))


@pytest.mark.usefixtures("api")
@pytest.mark.parametrize("counts", COUNTS)
def test_sizes_and_offsets_are_the_stock_ones(counts: Sequence[int]) -> None:
    from object_detection.core.target_assigner import CenterNetBoxTargetAssigner

    from odtool.engine.match.center_targets import BoxAssigner

    drawn, stock = Instances(0, counts), CenterNetBoxTargetAssigner(4)

    def assign(assigner: Any, parts: dict[str, Any]) -> Any:
        named = {name: parts[name] for name in ("gt_boxes_list", "gt_weights_list")}
        return assigner.assign_size_and_offset_targets(height=64, width=128, **named)

    assert_same(assign(stock, drawn.list()), assign(BoxAssigner(stock), drawn.flatten()))


@pytest.mark.usefixtures("pixels")
@pytest.mark.parametrize("counts", COUNTS)
@pytest.mark.parametrize("per_keypoint", [False, True])
def test_keypoint_targets_are_the_stock_ones(counts: Sequence[int], per_keypoint: bool) -> None:
    from object_detection.core.target_assigner import CenterNetKeypointTargetAssigner

    from odtool.engine.match.center_targets import KeypointAssigner

    drawn = Instances(1, counts)
    stock = CenterNetKeypointTargetAssigner(
        4, 1, [0, 2, 3], [1.0, 0.5, 2.0], per_keypoint_offset=per_keypoint, peak_radius=2
    )
    own, size = KeypointAssigner(stock), {"height": 64, "width": 128}
    lists, flat = drawn.list(), drawn.flatten()
    assert_same(
        stock.assign_keypoint_heatmap_targets(**size, **lists), own.assign_keypoint_heatmap_targets(**size, **flat)
    )
    assert_same(
        stock.assign_joint_regression_targets(**size, **lists), own.assign_joint_regression_targets(**size, **flat)
    )
    del lists["gt_boxes_list"], flat["gt_boxes_list"]
    assert_same(
        stock.assign_keypoints_offset_targets(**size, **lists), own.assign_keypoints_offset_targets(**size, **flat)
    )


@pytest.mark.slow
@pytest.mark.parametrize(("sparse", "unpad"), [(False, True), (True, False)])
def test_steps_give_the_losses_and_weights_of_the_stock_step(
    sparse: bool, unpad: bool, center_net: Callable[..., Any], assert_equal_steps: Callable[..., None]
) -> None:
    assert_equal_steps(center_net(keypoints=False, sparse=sparse, unpad=unpad), side=SIDE, steps=2)


@pytest.mark.slow
def test_keypoints_are_learned_as_the_stock_step_learns_them(
    center_net: Callable[..., Any], assert_equal_steps: Callable[..., None]
) -> None:
    assert_equal_steps(center_net(keypoints=True, unpad=False), side=SIDE, steps=2)
