"""Names of metrics, as people and as the API write them."""

from __future__ import annotations

import pytest

from odtool.detection.metric_names import resolve_name
from odtool.errors import OdtoolError


@pytest.mark.parametrize(
    ("name", "full"),
    [
        ("mAP", "DetectionBoxes_Precision/mAP"),
        ("map50", "DetectionBoxes_Precision/mAP@.50IOU"),
        ("AR", "DetectionBoxes_Recall/AR@100"),
        ("Loss", "Loss/total_loss"),
        ("DetectionMasks_Precision/mAP", "DetectionMasks_Precision/mAP"),
    ],
)
def test_a_metric_goes_by_its_own_or_a_short_name(name: str, full: str) -> None:
    assert resolve_name(name) == full


@pytest.mark.parametrize("name", ["", "mAP5", "accuracy"])
def test_a_name_that_no_metric_has_is_refused(name: str) -> None:
    with pytest.raises(OdtoolError, match=f"'{name}' is not a metric"):
        resolve_name(name)
