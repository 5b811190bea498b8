"""What the formats share: folders, lookup of images, parsing, rows, shapes and values."""
