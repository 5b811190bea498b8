"""The flow of odtool configure."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from odtool import locks
from odtool.errors import ConfigError, DataError, JobError
from odtool.pipeline import record_patterns
from odtool.pipeline.checks.check_list import check_run, refuse_errors
from odtool.pipeline.configure import configuration
from odtool.pipeline.configure.configuration import Configured, ConfigureSettings
from odtool.pipeline.text import config
from odtool.pipeline.text.facts import derive_facts
from odtool.pipeline.zoo import zoo
from odtool.pipeline.zoo.catalogue import MODELS
from odtool.workspace import Workspace

ZOO_NAME = "ssd_mobilenet_v2_fpnlite_320x320_coco17_tpu-8"


def configure(workspace: Workspace, **wishes: Any) -> Configured:
    return configuration.configure(workspace, ConfigureSettings(**wishes))


def reasons(configured: Configured) -> dict[str, str]:
    return {change.field: change.reason for change in configured.changes}


def save_checkpoint(folder: Path, content: bytes = b"model/_feature_extractor") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "ckpt-0.index").write_bytes(content)
    (folder / "ckpt-0.data-00000-of-00001").touch()
    return folder / "ckpt-0"


@pytest.mark.parametrize("model", MODELS, ids=[model.name for model in MODELS])
def test_every_model_of_the_zoo_is_fitted_to_the_data(workspace: Workspace, model: Any) -> None:
    configured = configure(workspace, model=model.name, steps=100)
    facts = check_run(workspace.run(configured.run.name).pipeline_config)
    assert facts == configured.facts
    batch_size = 16 if model.one_device else 8
    assert (facts.num_classes, facts.batch_size, facts.num_steps) == (2, batch_size, 100)
    training, evaluation = facts.readers
    assert training.files == tuple(workspace.data.shards("train"))
    assert evaluation.files == tuple(workspace.data.shards("val"))
    message = configured.config.message
    assert list(message.eval_config.metrics_set) == ["coco_detection_metrics"]
    assert not message.train_config.use_bfloat16
    assert message.eval_config.num_examples == 10
    assert "PATH_TO_BE" not in config.dump(configured.config)
    assert all(change.reason for change in configured.changes)


def test_bare_it_takes_the_default_model_and_names_the_run_after_it(workspace: Workspace) -> None:
    configured = configure(workspace)
    assert configured.run.path == workspace.train / "ssd_mobilenet_v2_fpnlite_320x320"
    assert configured.config.message.model.ssd.num_classes == 2
    assert "odtool models pull ssd_mobilenet_v2_fpnlite_320x320" in " ".join(configured.notes)
    assert configured.config.message.train_config.fine_tune_checkpoint == ""
    assert configure(workspace).run.name == "ssd_mobilenet_v2_fpnlite_320x320_2"


def test_a_dry_run_shows_the_same_and_writes_nothing(workspace: Workspace) -> None:
    dry = configure(workspace, dry_run=True, steps=10)
    assert not workspace.train.exists()
    assert dry.changes == configure(workspace, steps=10).changes


def test_the_batch_scales_the_rate_and_the_steps_stretch_the_schedule(workspace: Workspace) -> None:
    configured = configure(workspace, batch_size=32, steps=5000)
    schedule = configured.config.message.train_config.optimizer.momentum_optimizer.learning_rate
    cosine = schedule.cosine_decay_learning_rate
    assert cosine.learning_rate_base == pytest.approx(0.02)
    assert (cosine.total_steps, cosine.warmup_steps) == (5000, 100)
    why = reasons(configured)
    assert why["train_config.batch_size"] == "--batch-size"
    path = "train_config.optimizer.momentum_optimizer.learning_rate.cosine_decay_learning_rate"
    assert why[f"{path}.learning_rate_base"] == "scaled linearly with the batch, 128 → 32"
    assert why[f"{path}.total_steps"] == "follows num_steps, 50000 → 5000"


def test_a_short_training_from_scratch_lets_batch_norm_settle(workspace: Workspace) -> None:
    path = "model.ssd.feature_extractor.conv_hyperparams.batch_norm.decay"
    short = configure(workspace, steps=2000)
    assert short.config.message.model.ssd.feature_extractor.conv_hyperparams.batch_norm.decay == pytest.approx(0.985)
    assert "settles within 2000 steps" in reasons(short)[path]
    assert path not in reasons(configure(workspace, steps=10_000))
    assert reasons(configure(workspace, steps=50, assignments=(f"{path}=0.99",)))[path] == "--set"


def test_a_two_stage_detector_from_scratch_trains_its_batch_norm(workspace: Workspace) -> None:
    path = "model.faster_rcnn.feature_extractor.batch_norm_trainable"
    scratch = configure(workspace, model="faster_rcnn_resnet50_v1_800x1333")
    assert scratch.config.message.model.faster_rcnn.feature_extractor.batch_norm_trainable
    assert "from scratch" in reasons(scratch)[path]
    kept = configure(workspace, model="faster_rcnn_resnet50_v1_800x1333", assignments=(f"{path}=false",))
    assert not kept.config.message.model.faster_rcnn.feature_extractor.batch_norm_trainable


@pytest.mark.parametrize("model", ["ssd_mobilenet_v2_fpnlite_320x320", "faster_rcnn_resnet50_v1_800x1333"])
def test_a_fine_tuned_model_keeps_its_batch_norm(workspace: Workspace, model: str) -> None:
    checkpoint = save_checkpoint(workspace.root / "elsewhere")
    tuned = configure(workspace, model=model, steps=100, checkpoint=str(checkpoint))
    assert not [field for field in reasons(tuned) if "batch_norm" in field]


def test_epochs_become_steps_of_the_chosen_batch(workspace: Workspace) -> None:
    configured = configure(workspace, batch_size=16, epochs=10)
    assert configured.facts.num_steps == 25
    assert configured.epochs == 10


def test_a_crowded_image_raises_every_limit(prepare: Callable[..., Workspace], figures: Callable[..., Any]) -> None:
    workspace = prepare(train=figures(40), val=figures(10, max_objects=450))
    for name in ("ssd_resnet50_v1_fpn_640x640", "faster_rcnn_resnet50_v1_640x640", "centernet_hourglass104_512x512"):
        configured = configure(workspace, model=name)
        assert any("count only the 100 highest-scoring" in note for note in configured.notes)
        message = configured.config.message
        assert message.train_config.max_number_of_boxes == 450
        assert message.train_input_reader.max_number_of_boxes == 450
        assert message.eval_input_reader[0].max_number_of_boxes == 450
        if message.model.HasField("center_net"):
            assert message.model.center_net.object_center_params.max_box_predictions == 450
            continue
        model = message.model.ssd if message.model.HasField("ssd") else message.model.faster_rcnn
        stage = model.post_processing if message.model.HasField("ssd") else model.second_stage_post_processing
        assert stage.batch_non_max_suppression.max_detections_per_class == 450
        assert stage.batch_non_max_suppression.max_total_detections == 450
        if message.model.HasField("faster_rcnn"):
            assert model.first_stage_max_proposals == 450


def test_limits_that_are_wide_enough_stay(workspace: Workspace) -> None:
    configured = configure(workspace)
    assert not any("surest" in note for note in configured.notes)
    message = configured.config.message
    assert message.train_config.max_number_of_boxes == 100
    assert message.model.ssd.post_processing.batch_non_max_suppression.max_total_detections == 100


def test_large_images_shrink_the_shuffle_buffer(prepare: Callable[..., Workspace], figures: Callable[..., Any]) -> None:
    large = {**figures(5000), "bytes": 5000 * 2**20}
    message = configure(prepare(train=large, val=figures(10))).config.message
    assert message.train_input_reader.shuffle_buffer_size == 256


def test_without_a_val_split_the_test_split_evaluates(
    prepare: Callable[..., Workspace], figures: Callable[..., Any]
) -> None:
    configured = configure(prepare(train=figures(40), test=figures(7)))
    assert configured.config.message.eval_config.num_examples == 7
    assert "test-00000" in str(configured.facts.readers[1].files[0])


@pytest.mark.parametrize(("name", "message"), [("train", "neither val nor test"), ("val", "no images to train on")])
def test_a_missing_split_is_refused(
    prepare: Callable[..., Workspace], figures: Callable[..., Any], name: str, message: str
) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        configure(prepare(**{name: figures(4)}))
    assert "odtool prepare" in caught.value.hint


def test_before_prepare_it_says_to_prepare(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"dataset\.json: no such file") as caught:
        configure(Workspace(tmp_path))
    assert "odtool prepare" in caught.value.hint
    assert not (tmp_path / "train").exists()


def test_mask_and_keypoint_heads_come_off_and_that_is_said(workspace: Workspace) -> None:
    masks = configure(workspace, model="mask_rcnn_inception_resnet_v2_1024x1024")
    assert masks.facts.architecture == "faster_rcnn"
    assert not masks.config.message.train_input_reader.load_instance_masks
    assert any("head for masks is removed" in note for note in masks.notes)
    points = configure(workspace, model="centernet_resnet50_v2_512x512_kpts")
    assert not points.config.message.model.center_net.keypoint_estimation_task
    assert not points.config.message.eval_config.keypoint_edge
    assert points.config.message.train_input_reader.num_keypoints == 0
    assert any("head for keypoints is removed" in note for note in points.notes)


def test_data_that_was_cut_short_is_not_configured_for(workspace: Workspace) -> None:
    shard = workspace.data.shards("train")[0]
    os.truncate(shard, shard.stat().st_size - 1)
    with pytest.raises(ConfigError, match=r"40,000 bytes of train were written \(shards: 2\), and 39,999 are"):
        configure(workspace, steps=100)


def test_mask_rcnn_learns_the_masks_that_the_records_hold(workspace: Workspace) -> None:
    summary = json.loads(workspace.data.summary.read_text())
    workspace.data.summary.write_text(json.dumps({**summary, "masks": True}))
    made = configure(workspace, model="mask_rcnn_inception_resnet_v2_1024x1024")
    message = made.config.message
    assert made.facts.architecture == "mask_rcnn"
    for reader in (message.train_input_reader, *message.eval_input_reader):
        assert (reader.load_instance_masks, reader.mask_type) == (True, 2)
    assert set(message.eval_config.metrics_set) == {"coco_mask_metrics", "coco_detection_metrics"}
    assert not [note for note in made.notes if "is removed" in note]
    assert any("does not predict" in note for note in configure(workspace, model="demo_ssd").notes)


class TestCheckpoint:
    @pytest.mark.parametrize("folder", [ZOO_NAME, "ssd_mobilenet_v2_fpnlite_320x320"])
    def test_the_one_model_in_model_zoo_is_taken_with_its_checkpoint(self, workspace: Workspace, folder: str) -> None:
        prefix = save_checkpoint(workspace.model_zoo / folder / "checkpoint")
        train = configure(workspace).config.message.train_config
        assert train.fine_tune_checkpoint == str(prefix)
        assert train.fine_tune_checkpoint_type == "detection"
        assert train.fine_tune_checkpoint_version == 2

    @pytest.mark.parametrize("model", ["centernet_hourglass104_512x512", "faster_rcnn_resnet50_v1_640x640"])
    def test_every_architecture_restores_its_whole_feature_extractor(self, workspace: Workspace, model: str) -> None:
        folder = workspace.model_zoo / zoo.find(model).folder
        save_checkpoint(folder / "checkpoint")
        assert configure(workspace).config.message.train_config.fine_tune_checkpoint_type == "detection"

    def test_a_classification_backbone_is_read_as_one(self, workspace: Workspace, tmp_path: Path) -> None:
        prefix = save_checkpoint(tmp_path / "backbone", b"feature_extractor/conv1/kernel")
        train = configure(workspace, checkpoint=str(prefix)).config.message.train_config
        assert train.fine_tune_checkpoint_type == "classification"

    def test_the_zoos_real_index_is_a_detectors(self, workspace: Workspace, shared_data: Path, tmp_path: Path) -> None:
        index = shared_data / "zoo_checkpoint" / ZOO_NAME / "checkpoint" / "ckpt-0.index"
        prefix = save_checkpoint(tmp_path / "zoo", index.read_bytes())
        train = configure(workspace, checkpoint=str(prefix.parent)).config.message.train_config
        assert train.fine_tune_checkpoint_type == "detection"

    def test_none_starts_from_scratch_even_where_a_checkpoint_lies(self, workspace: Workspace) -> None:
        save_checkpoint(workspace.model_zoo / ZOO_NAME / "checkpoint")
        configured = configure(workspace, checkpoint="none")
        assert configured.config.message.train_config.fine_tune_checkpoint == ""
        assert any("from scratch" in note for note in configured.notes)

    @pytest.mark.parametrize("missing", ["ckpt-0.index", "ckpt-0.data-00000-of-00001"])
    def test_an_incomplete_one_is_refused_and_nothing_is_written(self, workspace: Workspace, missing: str) -> None:
        prefix = save_checkpoint(workspace.model_zoo / ZOO_NAME / "checkpoint")
        (prefix.parent / missing).unlink()
        with pytest.raises(ConfigError):
            configure(workspace, checkpoint=str(prefix))
        assert not workspace.train.exists()

    def test_one_that_does_not_exist_is_refused(self, workspace: Workspace) -> None:
        with pytest.raises(ConfigError, match="no such checkpoint"):
            configure(workspace, checkpoint="no/such/ckpt-0")


def test_a_checkpoint_by_set_is_one_by_its_option(workspace: Workspace, tmp_path: Path) -> None:
    prefix = save_checkpoint(tmp_path / "trained")
    wish = f"train_config.fine_tune_checkpoint='{prefix}'"
    by_set = configure(workspace, steps=500, assignments=(wish,), dry_run=True)
    by_option = configure(workspace, steps=500, checkpoint=str(prefix), dry_run=True)
    assert by_set.config.message == by_option.config.message
    assert by_set.config.message.train_config.fine_tune_checkpoint_type == "detection"
    assert not [note for note in by_set.notes if "from scratch" in note]
    with pytest.raises(ConfigError, match="the checkpoint is given twice"):
        configure(workspace, checkpoint=str(prefix), assignments=(wish,))


def test_a_type_that_restores_nothing_is_refused(workspace: Workspace, tmp_path: Path) -> None:
    wishes = {"checkpoint": str(save_checkpoint(tmp_path / "trained")), "dry_run": True}
    with pytest.raises(ConfigError, match="fine_tune_checkpoint_type is classification, but") as caught:
        configure(workspace, assignments=("train_config.fine_tune_checkpoint_type=classification",), **wishes)
    assert "fine_tune_checkpoint_type=detection" in caught.value.hint


def test_steps_by_set_alone_are_seen_by_batch_norm_and_doubted(workspace: Workspace) -> None:
    configured = configure(workspace, assignments=("train_config.num_steps=500",))
    assert configured.config.message.model.ssd.feature_extractor.conv_hyperparams.batch_norm.decay == pytest.approx(
        0.94
    )
    warning = "all 500 steps are warm-up, which takes 1,000. --steps 500 scales"
    assert any(warning in note for note in configured.notes)
    assert not [note for note in configured.notes if "the zoo's" in note]
    decay = "model.ssd.feature_extractor.conv_hyperparams.batch_norm.decay"
    set_too = configure(workspace, assignments=("train_config.num_steps=2000", f"{decay}=0.99"), run="other")
    assert set_too.config.message.model.ssd.feature_extractor.conv_hyperparams.batch_norm.decay == pytest.approx(0.99)
    assert any("training ends at step 2,000 of a schedule of 50,000" in note for note in set_too.notes)


def test_fields_without_effect_are_said_to_be(workspace: Workspace) -> None:
    configured = configure(workspace, assignments=("train_config.freeze_variables[+]=.*",))
    assert any("train_config.freeze_variables has no effect" in note for note in configured.notes)
    with pytest.raises(ConfigError, match="load_all_detection_checkpoint_vars: the API refuses it"):
        configure(workspace, assignments=("train_config.load_all_detection_checkpoint_vars=true",))


@pytest.mark.parametrize("field", ["label_map_path", "tf_record_input_reader.input_path"])
def test_every_evaluation_set_is_looked_at(workspace: Workspace, field: str) -> None:
    made = configure(workspace, dry_run=True).config
    second = made.message.eval_input_reader.add()
    second.CopyFrom(made.message.eval_input_reader[0])
    if field == "label_map_path":
        second.ClearField(field)
    else:
        second.tf_record_input_reader.input_path[:] = ["/nonexistent/x.tfrecord"]
    with pytest.raises(ConfigError, match=rf"eval_input_reader\[1\]\.{field}"):
        refuse_errors(derive_facts(made, Path("c")))


class TestOwnFile:
    @pytest.fixture
    def own(self, tmp_path: Path) -> Path:
        path = tmp_path / "mine.config"
        loaded = zoo.build(zoo.find("faster_rcnn_resnet50_v1_640x640"))
        loaded.message.train_config.ClearField("fine_tune_checkpoint")
        path.write_text(config.dump(loaded) + "[my.extension] { a: 1 }\n")
        return path

    def test_its_batch_size_and_extensions_are_kept(self, workspace: Workspace, own: Path) -> None:
        configured = configure(workspace, pipeline=own)
        assert configured.run.name == "mine"
        assert configured.facts.batch_size == 64
        assert "[my.extension] { a : 1 }" in configured.run.pipeline_config.read_text()

    @pytest.mark.parametrize(
        ("content", "kind"),
        [(b"feature_extractor/x", "classification"), (b"model/_feature_extractor", "detection")],
    )
    def test_its_checkpoint_is_kept_and_checked(
        self, workspace: Workspace, own: Path, tmp_path: Path, content: bytes, kind: str
    ) -> None:
        prefix = save_checkpoint(tmp_path / "kept", content)
        text = own.read_text().replace("train_config {", f'train_config {{ fine_tune_checkpoint: "{prefix}"', 1)
        own.write_text(text)
        train = configure(workspace, pipeline=own).config.message.train_config
        assert (train.fine_tune_checkpoint, train.fine_tune_checkpoint_type) == (str(prefix), kind)
        prefix.with_suffix(".index").unlink()
        with pytest.raises(ConfigError, match=r"ckpt-0\.index: missing"):
            configure(workspace, pipeline=own)

    def test_only_its_further_evaluation_sets_that_are_there_stay(self, workspace: Workspace, own: Path) -> None:
        loaded = config.load(own)
        there = record_patterns.escape(workspace.data.shards("val")[0])
        for pattern in ("/nonexistent/x.tfrecord", there):
            reader = loaded.message.eval_input_reader.add(label_map_path=str(workspace.data.label_map))
            reader.tf_record_input_reader.input_path.append(pattern)
        own.write_text(config.dump(loaded))
        configured = configure(workspace, pipeline=own)
        first, second = configured.config.message.eval_input_reader
        assert "val-?????" in first.tf_record_input_reader.input_path[0]
        assert list(second.tf_record_input_reader.input_path) == [there]
        assert any("eval_input_reader[1] is removed" in note for note in configured.notes)

    def test_the_checkpoint_beside_a_zoo_folders_config_is_found(self, workspace: Workspace, own: Path) -> None:
        folder = workspace.model_zoo / "their_model"
        prefix = save_checkpoint(folder / "checkpoint")
        own.rename(folder / "pipeline.config")
        for wishes in ({"pipeline": folder / "pipeline.config"}, {"model": "their_model"}, {}):
            configured = configure(workspace, dry_run=True, **wishes)
            assert configured.config.message.train_config.fine_tune_checkpoint == str(prefix)
            assert configured.run.name == "their_model"

    def test_a_misspelt_field_leaves_nothing_behind(self, workspace: Workspace, own: Path) -> None:
        own.write_text("model {\n  ssd {\n    num_clases: 3\n  }\n}\n")
        with pytest.raises(ConfigError, match=r"mine\.config:3: Ssd has no field 'num_clases'"):
            configure(workspace, pipeline=own)
        assert not workspace.train.exists()

    def test_context_rcnn_is_refused_as_no_record_of_prepare_has_its_features(
        self, workspace: Workspace, own: Path
    ) -> None:
        loaded = config.load(own)
        loaded.message.model.faster_rcnn.context_config.max_num_context_features = 9
        own.write_text(config.dump(loaded))
        with pytest.raises(ConfigError, match=r"features of other images, but the records hold none") as caught:
            configure(workspace, pipeline=own)
        assert "which makes it a Faster R-CNN" in caught.value.hint


class TestSet:
    def test_the_users_word_is_the_last(self, workspace: Workspace) -> None:
        wishes = ("train_config.batch_size=4", "model.ssd.image_resizer.fixed_shape_resizer.height=640")
        configured = configure(workspace, assignments=wishes)
        assert configured.facts.batch_size == 4
        assert reasons(configured)["model.ssd.image_resizer.fixed_shape_resizer.height"] == "--set"

    def test_another_branch_of_a_oneof_is_said(self, workspace: Workspace) -> None:
        wish = "train_config.optimizer.adam_optimizer.learning_rate.constant_learning_rate.learning_rate=0.001"
        configured = configure(workspace, assignments=(wish,))
        gone = "train_config.optimizer.momentum_optimizer.momentum_optimizer_value"
        assert "replaced by adam_optimizer" in reasons(configured)[gone]
        assert any("replaced by adam_optimizer" in note for note in configured.notes)

    @pytest.mark.parametrize(
        ("wish", "message"),
        [
            ("train_config.batch_size=0", "train_config.batch_size is 0"),
            ("train_config.num_steps=0", "train_config.num_steps is 0"),
            ("train_config.num_steps=2147483648", "more than the API can count"),
            ("model.ssd.num_classes=7", "the model has 7 classes"),
            ("train_config.optimizer={}", "names no optimizer"),
            ("train_input_reader.label_map_path=gone", "no such file: gone"),
            ("eval_input_reader[0].tf_record_input_reader.input_path[0]=gone*", r"no file matches gone\*"),
            ("eval_input_reader=", "no eval_input_reader"),
            ("train_config.fine_tune_checkpoint=gone", "gone: no such checkpoint"),
            ("model.experimental_model.name=x", "experimental_model is not an architecture"),
        ],
    )
    def test_what_training_would_fail_on_is_refused_now(self, workspace: Workspace, wish: str, message: str) -> None:
        with pytest.raises(ConfigError, match=message):
            configure(workspace, assignments=(wish,))
        assert not workspace.train.exists()

    @pytest.mark.parametrize("field", ["warmup_steps=60000", "warmup_learning_rate=0.5"])
    def test_a_schedule_that_the_api_refuses_is_refused_now(self, workspace: Workspace, field: str) -> None:
        path = "train_config.optimizer.momentum_optimizer.learning_rate.cosine_decay_learning_rate"
        with pytest.raises(ConfigError, match="cosine_decay_learning_rate"):
            configure(workspace, assignments=(f"{path}.{field}",))


class TestRun:
    def test_an_existing_config_is_replaced_only_with_force(self, workspace: Workspace) -> None:
        configure(workspace, run="mine", steps=10)
        with pytest.raises(ConfigError, match="already exists"):
            configure(workspace, run="mine", steps=20)
        assert configure(workspace, run="mine", steps=20, force=True).facts.num_steps == 20

    def test_without_a_name_force_replaces_the_config_of_the_models_own_run(self, workspace: Workspace) -> None:
        first = configure(workspace)
        replaced = configure(workspace, steps=20, force=True)
        assert (replaced.run, replaced.facts.num_steps) == (first.run, 20)
        assert workspace.runs() == [first.run]
        assert configure(workspace).run.name == f"{first.run.name}_2"

    def test_a_run_with_checkpoints_is_never_reconfigured(self, workspace: Workspace) -> None:
        run = configure(workspace, run="mine", steps=10).run
        run.checkpoint(5).with_suffix(".index").touch()
        with pytest.raises(ConfigError, match="checkpoints up to step 5") as caught:
            configure(workspace, run="mine", force=True)
        assert "--run mine_2" in caught.value.hint

    def test_a_running_run_is_never_reconfigured(self, workspace: Workspace) -> None:
        run = configure(workspace, run="mine", steps=10).run
        held = locks.acquire(run.job_lock("train"))
        assert held is not None
        try:
            with pytest.raises(ConfigError, match="is running"):
                configure(workspace, run="mine", force=True)
        finally:
            os.close(held)

    def test_a_name_that_leads_elsewhere_is_refused(self, workspace: Workspace) -> None:
        with pytest.raises(JobError, match="not a run name"):
            configure(workspace, run="../elsewhere")

    def test_several_models_in_model_zoo_want_a_choice(self, workspace: Workspace) -> None:
        for name in ("one", "two"):
            (workspace.model_zoo / name / "checkpoint").mkdir(parents=True)
        with pytest.raises(ConfigError, match="several models: one, two"):
            configure(workspace)

    def test_an_unknown_model_suggests_the_nearest(self, workspace: Workspace) -> None:
        with pytest.raises(ConfigError, match="no model 'efficientdet_d9'") as caught:
            configure(workspace, model="efficientdet_d9")
        assert "odtool models" in caught.value.hint


def test_a_folder_with_a_pipeline_config_stands_for_it(workspace: Workspace, tmp_path: Path) -> None:
    folder = tmp_path / "theirs"
    folder.mkdir()
    with pytest.raises(ConfigError, match=r"theirs/pipeline\.config: no such file"):
        configure(workspace, pipeline=folder)
    (folder / "pipeline.config").write_text("train_config { batch_size: 1 }")
    with pytest.raises(ConfigError, match=r"theirs/pipeline\.config: model: not set"):
        configure(workspace, pipeline=folder)
    config.save(zoo.build(zoo.find("demo_ssd")), folder / "pipeline.config")
    assert configure(workspace, pipeline=folder).run.name == "theirs"


RESIZER = "model.ssd.image_resizer.keep_aspect_ratio_resizer"
SMALLER = (f"{RESIZER}.min_dimension=256", f"{RESIZER}.max_dimension=256")
SQUARE = "train_config.data_augmentation_options[1].random_scale_crop_and_pad_to_square"


@pytest.mark.parametrize(
    ("assignments", "expected"),
    [
        ((), 512),
        (SMALLER, 256),
        ((*SMALLER, f"{SQUARE}.output_size=512"), 512),
        ((f"{SQUARE}.output_size=384", *SMALLER), 384),
        (("model.ssd.image_resizer={ fixed_shape_resizer { height: 256 width: 384 } }",), 512),
        (("model.ssd.image_resizer={ fixed_shape_resizer { height: 256 width: 256 } }",), 256),
    ],
)
def test_training_squares_follow_the_resizer(workspace: Workspace, assignments: tuple[str, ...], expected: int) -> None:
    configured = configure(workspace, model="efficientdet_d0", assignments=assignments)
    step = configured.config.message.train_config.data_augmentation_options[1].random_scale_crop_and_pad_to_square
    assert step.output_size == expected
    if expected == 256:
        assert reasons(configured)[f"{SQUARE}.output_size"] == "as large as the resizer makes every image"


def test_a_folder_whose_name_is_not_utf8_is_named(workspace: Workspace, tmp_path: Path) -> None:
    folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9"))
    workspace.root.rename(folder)
    with pytest.raises(ConfigError, match="not a name in UTF-8") as error:
        configure(Workspace(folder))
    assert error.value.message.startswith(str(folder))
