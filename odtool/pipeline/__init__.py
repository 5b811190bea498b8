"""pipeline.config: read, change, check and save, without TensorFlow."""
