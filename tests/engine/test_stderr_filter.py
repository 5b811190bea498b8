"""The filter of what TensorFlow's libraries write while they are loaded: notes are left out, and nothing else."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from odtool.engine import stderr_filter

HEADING = b"WARNING: All log messages before absl::InitializeLog() is called are written to STDERR"
NOTE = b"I0000 00:00:1795849327.403207   29368 port.cc:153] oneDNN custom operations are on. You may see slightly"
OLD_NOTE = (
    b"2026-11-28 07:36:26.137863: I external/local_xla/xla/tsl/cuda/cudart_stub.cc:32] Could not find cuda drivers"
)
WARNING = b"W0000 00:00:1795849327.403207   29368 cpu_allocator_impl.cc:84] Allocation of 9 exceeds 10% of memory."
ERROR = b"2026-11-28 07:36:26.137863: E tensorflow/core/framework/op.cc:1] cannot do it"
FATAL = b"F0000 00:00:1795849327.403207   29368 tensor.cc:852] Check failed: 1 == dtype"
NO_GPU = b"E0000 00:00:1795851473.447202    2366 cuda_platform.cc:52] failed call to cuInit: INTERNAL: CUDA error"
NO_KERNEL = (
    b"E0000 00:00:1795854033.509709   10329 util.cc:131] oneDNN supports DT_BOOL only on platforms with AVX-512."
)


@pytest.mark.parametrize("line", [HEADING, NOTE, OLD_NOTE, WARNING, NO_KERNEL])
def test_notes_and_warnings_are_left_out(line: bytes) -> None:
    assert not stderr_filter.is_shown(line, 2, gpu=True)


@pytest.mark.parametrize(
    "line",
    [
        ERROR,
        FATAL,
        b"",
        b"MemoryError",
        b"terminate called after throwing an instance of 'std::bad_alloc'",
        b"Traceback (most recent call last):",
        b"I think that 12:30 is port.cc:153] of a user's own",
        b"08:31:09 step 1/12, loss 1.8894, learning rate 0.004",
    ],
)
def test_errors_and_what_is_not_tensorflows_are_shown(line: bytes) -> None:
    assert stderr_filter.is_shown(line, 2, gpu=False)


def test_that_there_is_no_gpu_is_an_error_where_one_is_to_be_used() -> None:
    assert stderr_filter.is_shown(NO_GPU, 2, gpu=True)
    assert not stderr_filter.is_shown(NO_GPU, 2, gpu=False)


@pytest.mark.parametrize(
    ("level", "shown"), [(1, [WARNING, ERROR, FATAL]), (2, [ERROR, FATAL]), (3, [FATAL]), (9, [FATAL])]
)
def test_the_level_is_tensorflows_own(level: int, shown: list[bytes]) -> None:
    assert [line for line in (NOTE, WARNING, ERROR, FATAL) if stderr_filter.is_shown(line, level, gpu=True)] == shown


def run(code: str, **environment: str) -> subprocess.CompletedProcess[bytes]:
    program = f"import os, sys, subprocess\nfrom odtool.engine.stderr_filter import filtering\n{code}"
    known = {**os.environ, stderr_filter.LEVEL: "2", **environment}
    return subprocess.run([sys.executable, "-c", program], capture_output=True, check=False, env=known)


BOTH = NOTE + b"\n" + ERROR + b"\n"
WRITE = f"os.write(2, {BOTH!r})\n"


def test_what_is_written_comes_in_order_and_the_filter_ends_with_the_block() -> None:
    ended = run(
        "with filtering(gpu=False):\n"
        f"    {WRITE}"
        "    print('from Python', file=sys.stderr)\n"
        "    os.system('echo from a child >&2')\n"
        "    os.write(2, b'half a line, ')\n"
        "os.write(2, b'and its end')\n"
        "try: os.wait()\nexcept ChildProcessError: print('no child is left')"
    )
    assert ended.stderr == ERROR + b"\nfrom Python\nfrom a child\nhalf a line, and its end"
    assert b"no child is left" in ended.stdout


def test_a_crash_while_it_lasts_loses_nothing() -> None:
    ended = run(f"with filtering(gpu=False):\n    {WRITE}    os.write(2, b'std::bad_alloc'); os.abort()")
    assert ended.returncode == -6
    assert ended.stderr == ERROR + b"\nstd::bad_alloc"


def test_an_exception_while_it_lasts_is_shown_whole() -> None:
    ended = run("with filtering(gpu=False):\n    import no_such_module")
    assert ended.returncode == 1
    assert ended.stderr.endswith(b"ModuleNotFoundError: No module named 'no_such_module'\n")


def test_a_process_that_stays_does_not_hold_it_up() -> None:
    ended = run(
        "with filtering(gpu=False):\n"
        "    stays = subprocess.Popen([sys.executable, '-c', 'input()'], stdin=subprocess.PIPE)\n"
        "print('goes on', flush=True)\n"
        "stays.communicate(b'x')"
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, b"goes on\n", b"")


@pytest.mark.parametrize("level", ["0", "", "all"])
def test_who_wants_to_see_everything_does(level: str) -> None:
    ended = run(f"with filtering(gpu=False):\n    {WRITE}", **{stderr_filter.LEVEL: level})
    assert ended.stderr == BOTH
