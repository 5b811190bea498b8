"""Records of the Object Detection API, read back."""
