"""A pipeline.config as text and messages: its schema, fields, values, spelling and differences."""
