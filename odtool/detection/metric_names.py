"""What the API calls the metrics of an evaluation, in events and in metrics.jsonl."""

from __future__ import annotations

PRECISION, RECALL = "DetectionBoxes_Precision", "DetectionBoxes_Recall"
MAP = f"{PRECISION}/mAP"
"""Over IoU 0.5 to 0.95."""
MAP_50, MAP_75 = f"{MAP}@.50IOU", f"{MAP}@.75IOU"
AR_1, AR_10, AR_100 = (f"{RECALL}/AR@{most}" for most in (1, 10, 100))
"""Average recall of that many detections an image."""
MAP_OF_CLASS = "DetectionBoxes_PerformanceByCategory/mAP/"
MAP_50_OF_CLASS = f"{MAP_50} ByCategory/"
"""Before the name of a class."""
