"""Durations as people read them."""

from __future__ import annotations


def format_duration(seconds: float) -> str:
    """To the second below an hour, to the minute above: '45s', '3m20s', '2h05m'."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02d}s"
    return f"{whole // 3600}h{whole % 3600 // 60:02d}m"
