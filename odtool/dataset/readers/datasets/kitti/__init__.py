"""KITTI: detection and tracking."""
