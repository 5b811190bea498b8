"""Formats of published data sets and challenges."""
