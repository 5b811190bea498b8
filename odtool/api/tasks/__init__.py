"""Processes that the API starts: the engine's tasks as types, their command lines, and how they are asked."""
