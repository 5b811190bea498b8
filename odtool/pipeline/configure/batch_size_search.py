"""The batch size that fits a device, found by measuring real training steps at a few sizes."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from odtool.errors import ConfigError

DEFAULT_SHARE = 0.85
"""Of the device. The rest is for what no step's counter sees: the driver, its kernels, and holes in the memory."""
LONG_RUN = {"cpu": 1.05, "gpu": 1.0}
"""What a training of hundreds of steps takes, as a multiple of what is measured in a few. On the CPU the allocator
keeps what it has once had: 2 to 7% more in 200 steps of a small SSD than in 20. The GPU's counter is exact."""

_UNITS = {"b": 1, "kb": 1e3, "mb": 1e6, "gb": 1e9, "tb": 1e12, "kib": 2**10, "mib": 2**20, "gib": 2**30, "tib": 2**40}
_SIZE = re.compile(r"(\d+(?:\.\d*)?|\.\d+)\s*([a-z%]+)", re.IGNORECASE)
_LARGEST_STRIDE = 8
"""Times the largest size measured so far that one prediction may reach: a line through small sizes is only so good."""
_NEAR = 1.15
"""A size that should take at most this multiple of the limit is measured all the same."""

Measure = Callable[[int], int | None]
"""Bytes at most in use while training with batches of a size; None where they did not suffice."""


@dataclass(frozen=True)
class Fitted:
    """A batch size, and what it was chosen by."""

    batch_size: int
    limit: int
    """Bytes."""
    measured: Mapping[int, int | None]
    """Bytes by batch size, in the order of measuring, with what a long run adds; None where memory ran out."""
    base: int
    """Bytes that training takes whatever the batch, by the line through the measurements."""
    per_image: int
    margin: float
    """Multiple of the bare measurements: one of LONG_RUN."""


def parse(text: str, total: int, option: str = "--memory") -> int:
    """Bytes of a size such as '6GB', '5.5GiB' or '80%', the last of `total`; GB are 10^9 bytes, GiB 2^30.

    Raises:
        ConfigError: it is not a size, or is zero.
    """
    match = _SIZE.fullmatch(text.strip())
    unit = match[2].lower() if match else ""
    if match is None or unit not in {*_UNITS, "%"}:
        raise ConfigError(
            f"{option} {text}: not a size", "Use a size such as 6GB, 5.5GiB, 800MB, or 80% of the device."
        )
    if unit == "%" and not total:
        raise ConfigError(f"{option} {text}: the device does not report its memory", "Use a size such as 6GB.")
    size = int(float(match[1]) * (total / 100 if unit == "%" else _UNITS[unit]))
    if size < 1 or (unit == "%" and size > total):
        raise ConfigError(
            f"{option} {text}: {'is nothing' if size < 1 else 'is more than there is'}", "Use a size such as 6GB."
        )
    return size


def find_host_memory() -> int:
    """Bytes of memory that this machine, or the container that this process lives in, may use."""
    import psutil

    limits = [psutil.virtual_memory().total]
    # Control groups, version 2 and 1; 'max' and absurd numbers mean no limit.
    for path in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        try:
            text = Path(path).read_text(encoding="ascii").strip()
        except OSError:
            continue
        if text.isdecimal():
            limits.append(int(text))
    return min(limits)


def fit(measure: Measure, limit: int, *, device: str, total: int, replicas: int, most: int) -> Fitted:
    """The largest batch within the limit: a power of two for each replica.

    Measures one image a replica and a few, draws the line through them, and measures what the line says is largest.
    Where that is far off, or the next size might fit after all, it continues with what it has measured.

    Args:
        device: 'cpu' or 'gpu'.
        total: bytes of the device; nothing is tried that one image says would go far beyond.
        replicas: devices that share a batch; each measures its own memory.
        most: no larger batch is looked for.

    Raises:
        ConfigError: not even one image a replica fits.
    """
    margin = LONG_RUN[device]

    def measure_long_run(batch: int) -> int | None:
        used = measure(batch)
        return None if used is None else round(used * margin)

    search = _Search(measure_long_run, limit, replicas, max(most // replicas, 1))
    single = search.try_size(1)
    if not search.fits(1):
        needed = f"takes {format_gigabytes(single)}" if single else "runs out of memory"
        raise ConfigError(
            f"a batch of {replicas} {needed}, but the limit is {format_gigabytes(limit)}",
            "Choose a smaller model or image size, another device, or more --memory.",
        )
    if single is not None and search.most >= 2:
        search.try_size(4 if search.most >= 4 and single * 4 < max(total, limit) else 2)
    while (size := search.next_size()) is not None:
        search.try_size(size)
    base, slope = search.fit_line()
    return Fitted(search.largest() * replicas, limit, search.by_batch(), round(base), round(slope / replicas), margin)


class _Search:
    """Measurements by images a replica, and what they say of sizes not measured."""

    def __init__(self, measure: Measure, limit: int, replicas: int, most: int) -> None:
        self._measure = measure
        self._limit = limit
        self._replicas = replicas
        self._measured: dict[int, int | None] = {}
        self.most = most

    def try_size(self, size: int) -> int | None:
        self._measured[size] = self._measure(size * self._replicas)
        return self._measured[size]

    def fits(self, size: int) -> bool:
        used = self._measured.get(size)
        return used is not None and used <= self._limit

    def largest(self) -> int:
        """The largest size that was measured and fits."""
        return max(size for size in self._measured if self.fits(size))

    def next_size(self) -> int | None:
        """What to measure next; None where the answer is known."""
        low = self.largest()
        above = [size for size in self._measured if size > low]
        high = min(above, default=self.most * 2)
        base, slope = self.fit_line()
        size = low * 2
        while size * 2 < high and size * 2 <= low * _LARGEST_STRIDE and base + slope * size * 2 <= self._limit:
            size *= 2
        if size >= high or size > self.most:
            return None
        return size if base + slope * size <= self._limit * _NEAR else None

    def fit_line(self) -> tuple[float, float]:
        """Bytes of the base and bytes an image, through the two largest sizes with a figure."""
        known = sorted((size, used) for size, used in self._measured.items() if used is not None)
        if len(known) < 2:
            return 0.0, float(known[0][1])
        (first, low), (second, high) = known[-2:]
        slope = max((high - low) / (second - first), 0.0)
        return high - slope * second, slope

    def by_batch(self) -> dict[int, int | None]:
        return {size * self._replicas: used for size, used in self._measured.items()}


def explain(fitted: Fitted) -> str:
    """The measurements in one line."""
    sizes = ", ".join(
        f"{size}: {'out of memory' if used is None else format_gigabytes(used)}"
        for size, used in fitted.measured.items()
    )
    added = f", with {fitted.margin - 1:.0%} added for a long run" if fitted.margin > 1 else ""
    return (
        f"measured memory by batch{added}: {sizes}; a fit gives {format_gigabytes(fitted.base)} plus "
        f"{fitted.per_image / 1e6:,.0f} MB an image; the limit is {format_gigabytes(fitted.limit)}"
    )


def format_gigabytes(size: float) -> str:
    return f"{size / 1e9:.2f} GB"
