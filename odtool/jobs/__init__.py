"""Processes: start, watch and stop. Knows nothing of detection."""
