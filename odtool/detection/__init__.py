"""Trained detectors at work: images and videos in, boxes out. TensorFlow is not needed for TFLite and ONNX models."""
