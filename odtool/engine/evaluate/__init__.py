"""Evaluation: checkpoints scored with the API's own metrics."""
