"""What the API calls the metrics of an evaluation, in events and in metrics.jsonl."""

from __future__ import annotations

from odtool.errors import OdtoolError

PRECISION, RECALL = "DetectionBoxes_Precision", "DetectionBoxes_Recall"
MAP = f"{PRECISION}/mAP"
"""Over IoU 0.5 to 0.95."""
MAP_50, MAP_75 = f"{MAP}@.50IOU", f"{MAP}@.75IOU"
AR_1, AR_10, AR_100 = (f"{RECALL}/AR@{most}" for most in (1, 10, 100))
"""Average recall of that many detections an image."""
MAP_OF_CLASS = "DetectionBoxes_PerformanceByCategory/mAP/"
MAP_50_OF_CLASS = f"{MAP_50} ByCategory/"
"""Before the name of a class."""

MAIN_METRICS = {MAP: "mAP@[.5:.95]", MAP_50: "mAP@.5"}
"""What is shown of an evaluation, with the field's names."""
SHORT = {
    "mAP": MAP,
    "mAP50": MAP_50,
    "mAP75": MAP_75,
    "AR": AR_100,
    "AR1": AR_1,
    "AR10": AR_10,
    "AR100": AR_100,
    "loss": "Loss/total_loss",
}
"""What people write for the API's names."""


def resolve_name(name: str) -> str:
    """The API's name of a metric that was given by it or by a short one, in whatever case.

    Raises:
        OdtoolError: it is neither; what the API gives has a slash in its name.
    """
    by_case = {short.lower(): full for short, full in SHORT.items()}
    if match := by_case.get(name.lower()):
        return match
    if "/" not in name:
        raise OdtoolError(f"'{name}' is not a metric", f"Name one of {', '.join(SHORT)}, or a full name such as {MAP}.")
    return name
