"""Exports of a trained model: SavedModel, TFLite and ONNX files, each verified against its checkpoint."""
