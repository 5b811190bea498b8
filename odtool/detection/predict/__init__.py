"""What `odtool predict` does with a detector: sources, tiles, videos and what is written."""
