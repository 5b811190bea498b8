"""A run's figures in experiment trackers: brought there by a process of their own, which training never waits for."""
