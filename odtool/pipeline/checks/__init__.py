"""What is looked at in a pipeline.config before training, evaluation and export."""
