"""Cameras, addresses and what is shown and counted while they run."""
