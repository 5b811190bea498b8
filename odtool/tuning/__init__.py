"""Hyperparameter search: what is varied, the study on Optuna, what a trial's config is, and the study's page."""
