"""Text files with an object per line: one for an image, or one for a sequence of images."""
