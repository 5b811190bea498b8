"""Counts the parameters of the zoo's models, for the table in odtool/pipeline/zoo/parameters.py.

    python scripts/count_parameters.py [NAME...]

Builds each model as the API ships it and adds up its variables, batch norm's averages included. Convolutions do not
know the size of the image, so a small one will do.
"""

from __future__ import annotations

import argparse
import math
import tempfile
from pathlib import Path
from typing import Any

from odtool.engine import compat
from odtool.pipeline.zoo import zoo
from odtool.pipeline.zoo.catalogue import MODELS

SIDE = 256
"""Of the image that the model is built for, in pixels."""


def count_parameters(name: str) -> int:
    """Numbers in the model's variables."""
    import tensorflow as tf
    from object_detection.core.standard_fields import InputDataFields

    from odtool.engine import model, restore_check

    config = zoo.build(zoo.find(name)).message.model
    tf.keras.backend.clear_session()
    with tempfile.TemporaryDirectory() as folder:
        if config.center_net.keypoint_estimation_task:
            config.center_net.keypoint_label_map_path = str(_write_keypoint_map(config.center_net, Path(folder)))
        detector = model.build_model(config)
    image = tf.TensorSpec([1, SIDE, SIDE, 3], tf.float32)
    shape = tf.TensorSpec([1, 3], tf.int32)
    model.make_variables(detector, ({InputDataFields.image: image, InputDataFields.true_image_shape: shape}, {}))

    return sum(math.prod(shape) for shape in restore_check.list_shapes(detector).values())


def _write_keypoint_map(config: Any, folder: Path) -> Path:
    """A label map with the keypoints that the model's tasks name, as its builder asks for one."""
    items = []
    for number, task in enumerate(config.keypoint_estimation_task, start=1):
        names = sorted(task.keypoint_label_to_std)
        points = " ".join(f'keypoints {{ id: {index} label: "{name}" }}' for index, name in enumerate(names))
        items.append(f'item {{ id: {number} name: "{task.keypoint_class_name}" {points} }}')
    path = folder / "label_map.pbtxt"
    path.write_text("\n".join(items))
    return path


def main() -> None:
    """Prints a line for each model."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", default=[model.name for model in MODELS if not model.one_device])
    compat.load()
    for name in parser.parse_args().names:
        print(f"{name} {count_parameters(name)}", flush=True)


if __name__ == "__main__":
    main()
