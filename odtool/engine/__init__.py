"""The only room where tensorflow and object_detection are imported."""
