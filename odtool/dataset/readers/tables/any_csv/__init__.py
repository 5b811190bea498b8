"""CSV of any columns, which --columns names."""
