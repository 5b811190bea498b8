"""Detectors run without TensorFlow: TFLite and ONNX."""
