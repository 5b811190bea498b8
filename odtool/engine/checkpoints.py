"""Checkpoints of a run on disk: whole or absent, and kept as many as asked."""

from __future__ import annotations

import functools
import logging
import math
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from odtool import files, locks, metrics, shortage, temporary_folders
from odtool.engine import checkpoint_scores
from odtool.errors import OdtoolError, first_line
from odtool.units import format_bytes
from odtool.workspace import Run

_SAVING, _SAVED = ".saving", ".saved"
"""Folders inside the run: where a checkpoint is written, and where it waits, whole, to be moved into place."""
_STATE = "checkpoint"
"""The file from which TensorFlow tells the newest checkpoint."""
_SPARE = 1 << 18
"""Bytes that are to be free beside a checkpoint, for metrics, events and logs."""
_GLOB_CHARACTERS = frozenset("*?[]\\")
_STRAY = re.compile(r"ckpt-\d+(\.data-\d+-of-\d+|_temp.*)")

log = logging.getLogger("odtool.engine")


class DamagedError(OdtoolError):
    """A checkpoint whose files are not what its index says."""


def save(run: Run, checkpoint: Any, step: int) -> Path:
    """Writes a checkpoint as `write_whole` does, and returns when it is in place."""
    count_save(checkpoint)
    return write_whole(run, step, checkpoint.write)


def count_save(checkpoint: Any) -> None:
    """Comes before a save. The counter is part of the stock object graph, as `restore` asks for it."""
    checkpoint.save_counter.assign_add(1)


def write_whole(run: Run, step: int, write: Callable[[str], object]) -> Path:
    """Writes a checkpoint that appears whole or not at all, its .index last, and names it in the `checkpoint` file.

    TensorFlow itself writes the .index in place, so that a process killed there leaves a torn one.

    Args:
        write: puts the checkpoint's files under a prefix.
    """
    prefix = run.checkpoint(step)
    saving = run.path / _SAVING
    shutil.rmtree(saving, ignore_errors=True)
    saving.mkdir()
    try:
        write(str(saving / prefix.name))
        for path in saving.iterdir():
            files.sync(path)  # so that a power cut cannot keep the .index and lose the data
    except BaseException:
        shutil.rmtree(saving, ignore_errors=True)  # on a full disk the end of the training is still to be written
        raise
    saving.rename(run.path / _SAVED)
    _move_saved(run)
    _name_newest(run)
    return prefix


def make_room(run: Run, *, keep: int) -> None:
    """Looks whether another checkpoint of the newest one's size fits on the disk, before anything of it is written.

    Where it does not, one that would be deleted after the save is deleted before it.

    Raises:
        OdtoolError: it does not fit.
    """
    size = _measure_newest(run)
    if size == 0 or shortage.measure_free(run.path) >= size + _SPARE:
        return
    if keep > 1:
        prune(run, keep - 1)
    if (free := shortage.measure_free(run.path)) < size + _SPARE:
        raise OdtoolError(
            f"a checkpoint of {format_bytes(size)} does not fit: {shortage.describe_disk(run.path)}; "
            f"the last whole checkpoint is ckpt-{max(run.checkpoints())}",
            f"Free {format_bytes(size + _SPARE - free)} there and start again: training continues from it.",
        )


def _measure_newest(run: Run) -> int:
    """Bytes of the newest checkpoint; 0 where there is none."""
    newest = max(run.checkpoints().items(), default=None)
    return 0 if newest is None else sum(path.stat().st_size for path in run.path.glob(f"{newest[1].name}.*"))


def write_as_worker(checkpoint: Any) -> None:
    """What a process that is not the chief does while that one saves.

    Values that are kept on each device (those of batch norm) are gathered from all of them, so all have to read them.
    """
    count_save(checkpoint)
    with temporary_folders.make() as folder:
        checkpoint.write(str(folder / "ckpt"))


def find_newest(run: Run) -> tuple[int, Path] | None:
    """Steps done and prefix of the newest checkpoint that can be read; sets damaged ones aside.

    The one that the stock loop saves before its first step is passed over: its model has no variables yet.
    """
    import tensorflow as tf

    clean(run)
    for prefix in reversed(run.checkpoints().values()):
        with prefix.with_name(f"{prefix.name}.index").open("rb"):
            pass  # what the system refuses to read is not damage, and its error says so better than TensorFlow's
        try:
            steps = read_steps_done(prefix)
        except (DamagedError, tf.errors.OpError) as error:
            _set_aside(prefix, error)
        else:
            return (steps, prefix) if steps else None
    return None


def to_readable_prefix(prefix: Path) -> str:
    """The prefix under a name that TensorFlow can read it by.

    It takes a prefix for a pattern when it looks for the files, and an escaped one for another name: below a folder
    "runs [old]" it finds nothing. There a link from a temporary folder stands in.
    """
    return str(_link_plain_folder(prefix.parent.absolute()) / prefix.name)


@functools.cache
def _link_plain_folder(folder: Path) -> Path:
    if not _GLOB_CHARACTERS & set(str(folder)):
        return folder
    link = temporary_folders.make_until_exit() / "checkpoints"
    link.symlink_to(folder)
    return link


def read_steps_done(prefix: Path) -> int:
    """Read from the checkpoint itself, as the stock loop numbers its files by saves and not by steps.

    Raises:
        DamagedError: its data is not all there.
        tensorflow.errors.OpError: the checkpoint is gone, or its index damaged.
    """
    import tensorflow as tf

    with _reporting_damage(prefix):
        reader = tf.train.load_checkpoint(to_readable_prefix(prefix))
        types, shapes = reader.get_variable_to_dtype_map(), reader.get_variable_to_shape_map()
        expected = sum(
            len(reader.get_tensor(name)) if types[name] == tf.string else math.prod(shapes[name]) * types[name].size
            for name in types
        )
        have = sum(path.stat().st_size for path in prefix.parent.glob(f"{prefix.name}.data-*"))
        if have < expected:
            raise IndexError(f"{have:,} bytes where its index promises {expected:,}")
        return int(reader.get_tensor("step/.ATTRIBUTES/VARIABLE_VALUE"))


def read_into(checkpoint: Any, prefix: Path) -> Any:
    """`checkpoint.restore`, and its status.

    Raises:
        DamagedError: the checkpoint's files are not what its index says.
    """
    with _reporting_damage(prefix):
        return checkpoint.restore(to_readable_prefix(prefix))


@contextmanager
def _reporting_damage(prefix: Path) -> Iterator[None]:
    import tensorflow as tf

    try:
        yield
    except (tf.errors.DataLossError, tf.errors.OutOfRangeError, IndexError) as error:
        # IndexError is how TensorFlow's reader says that a file is shorter than its index.
        raise DamagedError(
            f"{prefix} is damaged: {first_line(error)}", "Copy or download it again, or use another checkpoint."
        ) from None


def restore_newest(run: Run, checkpoint: Any) -> int | None:
    """Restores the newest checkpoint that can be read.

    Returns:
        The steps it had done; None where there is no checkpoint.

    Raises:
        OdtoolError: it is of another model.
    """
    while candidate := find_newest(run):
        step, prefix = candidate
        try:
            _restore_into(run, checkpoint, prefix)
        except DamagedError as error:
            _set_aside(prefix, error)
        else:
            return step
    return None


def restore(run: Run, checkpoint: Any, step: int, prefix: Path, *, is_chief: bool) -> int:
    """Restores the checkpoint that all processes of a training have agreed on.

    Raises:
        OdtoolError: it is damaged, or of another model.
    """
    try:
        _restore_into(run, checkpoint, prefix)
    except DamagedError as error:
        if is_chief:
            _set_aside(prefix, error)
        raise OdtoolError(f"{prefix} is damaged", "Start again: training continues from the one before.") from None
    return step


def _restore_into(run: Run, checkpoint: Any, prefix: Path) -> None:
    import tensorflow as tf

    try:
        read_into(checkpoint, prefix).assert_existing_objects_matched()
    except (AssertionError, ValueError, tf.errors.InvalidArgumentError) as error:
        raise OdtoolError(
            f"{prefix} does not fit the model of {run.pipeline_config}: {first_line(error)}",
            "The pipeline.config was changed after training began: configure another run for the new model.",
        ) from None


def _set_aside(prefix: Path, error: Exception) -> None:
    """Renames a damaged checkpoint's files, so that it no longer counts as one; nothing is deleted."""
    cause = first_line(error).removeprefix(f"{prefix} is damaged: ")
    log.warning("%s is damaged and is renamed to .damaged: %s", prefix.name, cause[:200])
    for path in sorted(prefix.parent.glob(f"{prefix.name}.*"), key=lambda path: path.suffix != ".index"):
        path.replace(path.with_name(f"{path.name}.damaged"))


def clean(run: Run) -> None:
    """Completes a save that was interrupted on its last way; removes unfinished ones and data without an .index."""
    _move_saved(run)
    shutil.rmtree(run.path / _SAVING, ignore_errors=True)
    for path in run.path.glob(f".{_STATE}.*"):
        path.unlink()
    whole = {prefix.name for prefix in run.checkpoints().values()}
    for path in list(run.path.glob("ckpt-*")):
        if _STRAY.fullmatch(path.name) and re.split(r"[._]", path.name)[0] not in whole:
            log.warning("removing %s, left by a save that was interrupted", path.name)
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()


def prune(run: Run, keep: int) -> None:
    """Deletes the oldest checkpoints beyond `keep`, except those that a running evaluation has not scored yet."""
    present = run.checkpoints()
    surplus = list(present)[: max(len(present) - keep, 0)]
    if surplus and locks.is_held(run.job_lock("eval")):
        entries = metrics.read_events(run.metrics)
        scored = checkpoint_scores.find_scored(entries) | checkpoint_scores.find_skipped(entries)
        surplus = [step for step in surplus if present[step].name in scored]
    for step in surplus:
        delete(present[step])
    if surplus:
        _name_newest(run)


def delete(prefix: Path) -> None:
    """Deletes a checkpoint's files, the .index first, so that it never looks whole when it is not."""
    prefix.with_name(f"{prefix.name}.index").unlink(missing_ok=True)
    for path in prefix.parent.glob(f"{prefix.name}.data-*"):
        path.unlink(missing_ok=True)


def _move_saved(run: Run) -> None:
    """Moves a checkpoint that was saved whole into place: its .index last, and that of an older self of it goes first.

    Killed on the way, it is called again by the next start.
    """
    saved = run.path / _SAVED
    if not saved.is_dir():
        return
    if any(saved.glob("*.data-*")):
        for index in saved.glob("*.index"):
            (run.path / index.name).unlink(missing_ok=True)
    for path in sorted(saved.iterdir(), key=lambda path: path.suffix == ".index"):
        path.replace(run.path / path.name)
    saved.rmdir()


def _name_newest(run: Run) -> None:
    names = [prefix.name for prefix in run.checkpoints().values()]
    if names:
        write_state(run.path, names)


def write_state(folder: Path, names: list[str]) -> None:
    """The `checkpoint` file (CheckpointState as text) from which TensorFlow tells the newest."""
    lines = [f'model_checkpoint_path: "{names[-1]}"', *(f'all_model_checkpoint_paths: "{name}"' for name in names)]
    files.write_atomically(folder / _STATE, "\n".join(lines) + "\n")
