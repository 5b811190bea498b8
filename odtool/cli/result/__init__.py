"""Commands on what was trained: other formats, predictions and reports."""
