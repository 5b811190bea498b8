"""Formats that list all images in one table or text file."""
