"""YOLO text in the layouts of Ultralytics and Darknet."""
