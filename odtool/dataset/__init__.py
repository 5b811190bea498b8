"""Annotations to records, without TensorFlow."""
