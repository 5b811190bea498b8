"""Trained detectors run by TensorFlow."""
