"""From a tarball of the zoo to a model that the checkpoint in it really fills, with the real commands."""

from __future__ import annotations

import json
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from odtool.dataset import synthetic

ZOO = "ssd_mobilenet_v2_fpnlite_320x320_coco17_tpu-8"

TRAIN_NOTHING = f"""
import sys
from odtool.engine import compat
compat.load()
import tensorflow as tf
from odtool.engine import model
from odtool.pipeline.zoo import zoo
detector = model.build_model(zoo.build(zoo.find("{ZOO}")).message.model)
images = {{"image": tf.TensorSpec([1, 320, 320, 3]), "true_image_shape": tf.TensorSpec([1, 3], tf.int32)}}
model.make_variables(detector, (images, {{}}))
checkpoint = tf.train.Checkpoint(model=detector)
checkpoint.save_counter.assign_add(1)  # as saving by a manager does, and as the API wants it
checkpoint.write(sys.argv[1])
"""


@pytest.mark.slow
def test_a_pulled_checkpoint_fills_all_but_the_heads(odtool: Callable[..., Any], tmp_path: Path) -> None:
    """The zoo's model of 90 classes, saved as its authors save it, for data of two classes."""
    (tmp_path / "made" / "checkpoint").mkdir(parents=True)
    prefix = tmp_path / "made" / "checkpoint" / "ckpt-0"
    subprocess.run([sys.executable, "-c", TRAIN_NOTHING, str(prefix)], check=True, capture_output=True)
    (tmp_path / "model_zoo").mkdir()
    with tarfile.open(tmp_path / "model_zoo" / f"{ZOO}.tar.gz", "w:gz") as tar:
        tar.add(tmp_path / "made", ZOO)
    synthetic.draw(tmp_path / "drawings", images=20)
    for command in (("prepare", "drawings"), ("models", "pull", ZOO), ("configure", "--run", "tuned", "--steps", 4)):
        done = odtool(*command, cwd=tmp_path)
        assert done.returncode == 0, done.stderr

    done = odtool("check", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    found = {each["subject"]: each for each in json.loads(done.stdout)["findings"]}
    assert found["checkpoint files"]["message"] == str(tmp_path / "model_zoo" / ZOO / "checkpoint" / "ckpt-0")
    assert "290 restored by name and shape" in found["model"]["message"]
    assert "94 new: model/_box_predictor; 94 of the checkpoint's 384 are not used" in found["model"]["message"]

    full = ("--set", "train_config.fine_tune_checkpoint_type=full")
    assert odtool("configure", "--run", "whole", *full, cwd=tmp_path).returncode == 0
    done = odtool("check", "whole", cwd=tmp_path)
    assert done.returncode == 1
    assert "incompatible tensor with shape (546,)" in done.stdout
    assert "382 restored" in done.stdout
