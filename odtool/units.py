"""Durations, counts, sizes and metrics as people write them."""

from __future__ import annotations

_BYTES = (("GB", 1e9), ("MB", 1e6), ("kB", 1e3))


def format_duration(seconds: float) -> str:
    """'45s', '3m20s', '2h05m'."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02d}s"
    return f"{whole // 3600}h{whole % 3600 // 60:02d}m"


def format_count(number: int, noun: str) -> str:
    """'1 image', '2,000 images'."""
    return f"{number:,} {noun}{'s' * (number != 1)}"


def format_bytes(count: int) -> str:
    """'1.5 MB'."""
    for name, unit in _BYTES:
        if count >= unit:
            return f"{count / unit:.3g} {name}"
    return f"{count} bytes"


def format_metric(value: float | None, *, sign: bool = False) -> str:
    """With three digits; a dash where there is no value."""
    if value is None:
        return "-"
    # Rounded first, as -0.0000001 would be shown as -0.000.
    return f"{round(value, 3) + 0.0:+.3f}" if sign else f"{value:.3f}"
