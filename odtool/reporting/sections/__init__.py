"""The parts of the report on a run, in the order of the page's headings."""
