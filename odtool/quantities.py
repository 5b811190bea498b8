"""Sizes in bytes and metrics as people write them."""

from __future__ import annotations

_UNITS = (("GB", 1e9), ("MB", 1e6), ("kB", 1e3))


def format_bytes(count: int) -> str:
    """Such as '1.5 MB'; a MB is 10^6 bytes."""
    for name, unit in _UNITS:
        if count >= unit:
            return f"{count / unit:.3g} {name}"
    return f"{count} bytes"


def format_metric(value: float | None, *, sign: bool = False) -> str:
    """With three digits; a dash where there is no value."""
    if value is None:
        return "-"
    # Rounded first, as -0.0000001 would be shown as -0.000.
    return f"{round(value, 3) + 0.0:+.3f}" if sign else f"{value:.3f}"
