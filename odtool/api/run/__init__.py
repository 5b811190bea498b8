"""Training and evaluation in the background, as functions."""
