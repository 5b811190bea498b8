"""Names of classes, and label files of one class a line."""

from __future__ import annotations

from odtool.detection.class_labels import format_label_file, parse_label_file


def test_each_line_of_a_label_file_is_at_its_id_also_where_ids_have_gaps() -> None:
    labels = {1: "pedestrian", 2: "cyclist", 4: "vehicle"}
    text = format_label_file(labels)
    assert text.splitlines() == ["pedestrian", "cyclist", "???", "vehicle"]
    assert parse_label_file(text) == labels
    assert parse_label_file("a\r\n\n b \n") == {1: "a", 3: "b"}
