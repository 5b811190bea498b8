"""What the schema of a pipeline.config offers and the API does not do on TensorFlow 2, which shows only in training."""
