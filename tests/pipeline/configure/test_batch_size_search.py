"""The batch size that fits: sizes parsed, and the search with measurements that are made up."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from odtool.errors import ConfigError
from odtool.pipeline.configure import batch_size_search
from odtool.pipeline.configure.batch_size_search import Fitted

GB = 10**9


@pytest.mark.parametrize(
    ("text", "size"),
    [("6GB", 6 * GB), ("5.5GiB", 5.5 * 2**30), ("800 mb", 8e8), ("80%", 8 * GB), (".5tb", 5e11), ("100%", 10 * GB)],
)
def test_a_size_is_read(text: str, size: float) -> None:
    assert batch_size_search.parse(text, 10 * GB) == size


@pytest.mark.parametrize("text", ["", "6", "GB", "-1GB", "0GB", "120%", "6 GBs", "6,5GB", "1e9b"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="--memory"):
        batch_size_search.parse(text, 10 * GB)


def test_a_share_needs_a_device_that_tells_its_memory() -> None:
    with pytest.raises(ConfigError, match="does not report"):
        batch_size_search.parse("80%", 0)
    assert 10**8 < batch_size_search.find_host_memory() < 10**14


def search(
    needs: Callable[[int], int | None], limit: int, *, replicas: int = 1, most: int = 1024, device: str = "gpu"
) -> tuple[Fitted, list[int]]:
    asked: list[int] = []

    def measure(batch: int) -> int | None:
        asked.append(batch)
        return needs(batch)

    fitted = batch_size_search.fit(measure, limit, device=device, total=2 * limit, replicas=replicas, most=most)
    return fitted, asked


def line(base: int, each: int, *, ends_at: int = 10**18) -> Callable[[int], int | None]:
    return lambda batch: base + each * batch if base + each * batch < ends_at else None


@given(st.integers(10**6, 10**10), st.integers(10**5, 10**9), st.integers(1, 200), st.sampled_from([1, 2, 3, 8]))
def test_the_chosen_batch_was_measured_to_fit_and_twice_as_much_does_not(
    base: int, each: int, images: int, replicas: int
) -> None:
    limit = base + each * images
    needs = line(base, each, ends_at=3 * limit)
    fitted, asked = search(lambda batch: needs(batch // replicas), limit, replicas=replicas)
    size = fitted.batch_size // replicas
    assert size * replicas in asked
    assert size <= images < size * 2
    assert len(asked) == len(set(asked)) <= 7
    assert size & (size - 1) == 0


def test_memory_that_grows_faster_than_the_line_is_found_out_by_measuring() -> None:
    fitted, asked = search(lambda batch: 100 + batch**2, 1200)
    assert fitted.batch_size == 32
    assert 64 in asked or 32 in asked


def test_a_long_run_on_the_cpu_takes_more_than_is_measured() -> None:
    needs = line(0, 100)
    assert search(needs, 1600, device="gpu")[0].batch_size == 16
    fitted = search(needs, 1600, device="cpu")[0]
    assert fitted.batch_size == 8
    assert fitted.measured[8] == 840
    assert "with 5% added for a long run" in batch_size_search.explain(fitted)


def test_running_out_of_memory_is_a_measurement() -> None:
    fitted, _ = search(line(100, 100, ends_at=700), 10_000)
    assert fitted.batch_size == 4
    assert fitted.measured[8] is None
    assert "8: out of memory" in batch_size_search.explain(fitted)


@pytest.mark.parametrize(("most", "chosen"), [(1, 1), (2, 2), (3, 2), (40, 32)])
def test_no_batch_is_larger_than_the_images_there_are(most: int, chosen: int) -> None:
    assert search(line(100, 1), 10**9, most=most)[0].batch_size == chosen


@pytest.mark.parametrize("needs", [line(2000, 1), line(0, 1, ends_at=1)])
def test_a_model_of_which_not_one_image_fits_is_refused(needs: Callable[[int], int | None]) -> None:
    with pytest.raises(ConfigError, match=r"a batch of 1 .*, but the limit is"):
        search(needs, 1000)
