"""Asking the driver's nvidia-smi about GPUs, and about the processes on them."""

from __future__ import annotations

import shutil
import subprocess


def query(fields: str, *, timeout: float, of: str = "gpu") -> tuple[str, str]:
    """What nvidia-smi says of each GPU, a line each, and where it says nothing, the reason.

    Args:
        fields: names separated by commas, as `nvidia-smi --help-query-gpu` lists them.
        of: what has a line each: gpu, or compute-apps for the processes that compute on them.
        timeout: in seconds; a driver that hangs must not stop the caller.
    """
    program = shutil.which("nvidia-smi")
    if program is None:
        return "", "no NVIDIA driver: nvidia-smi is not installed"
    command = [program, f"--query-{of}={fields}", "--format=csv,noheader,nounits"]
    try:
        result = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=timeout, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return "", f"{program}: {error}"
    if result.returncode != 0:
        lines = (result.stdout + result.stderr).strip().splitlines() or [f"exit code {result.returncode}"]
        return "", f"{program}: {lines[0]}"
    return result.stdout, ""
