"""Which records each of several processes reads."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest


@pytest.mark.parametrize(("files", "processes"), [(1, 2), (3, 2), (4, 2), (2, 3), (3, 3)])
@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize("folder", ["plain", "of [two] * parts"])
def test_each_record_is_read_by_one_process_in_each_round(
    api: Any, tmp_path: Path, files: int, processes: int, shuffle: bool, folder: str
) -> None:
    from object_detection.builders import dataset_builder
    from object_detection.protos import input_reader_pb2

    from odtool.engine.input import record_sharding
    from odtool.pipeline.record_patterns import escape

    (tmp_path / folder).mkdir()
    for file in range(files):
        with api.io.TFRecordWriter(str(tmp_path / folder / f"{file}.tfrecord")) as writer:
            for number in range(12):
                writer.write(f"{file}-{number}")
    message = input_reader_pb2.InputReader(shuffle=shuffle, num_readers=2)
    message.tf_record_input_reader.input_path.append(f"{escape(tmp_path / folder)}/*.tfrecord")
    message.num_epochs = 3
    seen: Counter[bytes] = Counter()
    for index in range(processes):
        own, read = record_sharding.assign_part(message, api.data.TFRecordDataset, count=processes, index=index)
        records = dataset_builder.read_dataset(read, list(own.tf_record_input_reader.input_path), own)
        found = Counter(record.numpy() for record in records)
        assert len(found) == files * 12 // processes
        seen += found
    assert set(seen.values()) == {3}
    assert len(seen) == files * 12
