"""Annotation formats: from a source to AnnotatedImages, and how the right format is chosen."""
