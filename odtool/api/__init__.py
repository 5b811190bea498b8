"""The Python API: one module a verb, each a function from a frozen request to a typed result. Nothing here prints."""
