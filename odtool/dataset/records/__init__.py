"""Checked images to tf.train.Example bytes in shards, and records read back, without TensorFlow."""
