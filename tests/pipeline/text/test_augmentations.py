"""Augmentations are told by name, with what the config sets and what it leaves as it is."""

from __future__ import annotations

from odtool.pipeline.text import augmentations, config

TEXT = """
train_config {
  data_augmentation_options { random_horizontal_flip { } }
  data_augmentation_options { random_crop_image { min_area: 0.25 clip_boxes: false } }
  data_augmentation_options { ssd_random_crop { operations { min_object_covered: 0.5 } operations { min_area: 0.1 } } }
  data_augmentation_options { random_pad_image { pad_color: [1, 2, 3] } }
  data_augmentation_options { resize_image { new_height: 5 method: BICUBIC } }
  data_augmentation_options { random_downscale_to_target_pixels { } }
  data_augmentation_options { }
}
"""


def test_options_and_defaults_are_kept_apart() -> None:
    steps = augmentations.list_augmentations(config.parse(TEXT, "TEXT").message)
    flip, crop, ssd, pad, resize, downscale, nothing = steps
    assert (flip.name, flip.options, flip.defaults["probability"]) == ("random_horizontal_flip", {}, "0.5")
    assert crop.options == {"min_area": "0.25", "clip_boxes": "false"}
    assert crop.defaults["min_object_covered"] == "1"
    assert "min_area" not in crop.defaults
    assert ssd.options["operations"] == "min_object_covered: 0.5; min_area: 0.1"
    assert pad.options == {"pad_color": "1, 2, 3"}
    assert resize.options == {"new_height": "5", "method": "BICUBIC"}
    assert downscale.defaults["max_target_pixels"] == "800000"
    assert nothing.name == ""
