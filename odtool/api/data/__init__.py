"""Annotations to records, as functions."""
