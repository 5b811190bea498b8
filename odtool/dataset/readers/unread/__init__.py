"""Files that look like annotations, whether or not a reader reads them."""
