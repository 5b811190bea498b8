"""Annotation formats: one module each, from a source to AnnotatedImages."""
