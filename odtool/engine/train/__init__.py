"""Training: where it starts, its loop, its limits, and what it reports."""
