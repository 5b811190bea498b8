"""Image files and what goes with their pixels: headers, repair, tiles, masks and keypoints."""
