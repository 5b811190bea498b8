"""Matching of anchors and boxes."""
