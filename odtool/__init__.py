"""odtool: from annotations to a trained, evaluated detector with the Object Detection API."""

__version__ = "0.1.0"
