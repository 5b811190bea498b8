"""The model that a config describes, held against the published checkpoint of the same model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.usefixtures("api")
ZOO = "ssd_mobilenet_v2_fpnlite_320x320_coco17_tpu-8"


@pytest.mark.slow
def test_a_zoo_model_has_exactly_the_variables_of_its_published_checkpoint(
    api: Any, shared_data: Path, tmp_path: Path
) -> None:
    from odtool.engine import model

    configs = model.read_configs(shared_data / "zoo_configs" / f"{ZOO}.config")
    detector = model.build_model(configs["model"])
    images = {"image": api.TensorSpec([1, 320, 320, 3]), "true_image_shape": api.TensorSpec([1, 3], api.int32)}
    model.make_variables(detector, (images, {}))
    own = api.train.Checkpoint(model=detector).save(str(tmp_path / "own"))

    published = _variables(api, shared_data / "zoo_checkpoint" / ZOO / "checkpoint" / "ckpt-0")
    assert len(published) == 386
    assert _variables(api, own) == published


def _variables(api: Any, prefix: object) -> dict[str, list[int]]:
    """Shapes by the names in a checkpoint: the model's variables, the object graph and the counter of saves."""
    return dict(api.train.list_variables(str(prefix)))
