"""The zoo, a run's config, and what is checked of it, as functions."""
