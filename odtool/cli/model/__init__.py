"""Commands on models: the zoo, and a run's pipeline.config."""
