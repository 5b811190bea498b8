"""Annotations of several formats side by side, merged image by image."""
