"""Annotation files of any length, of which one item is in memory at a time."""
