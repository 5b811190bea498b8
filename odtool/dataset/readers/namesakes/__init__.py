"""Files of one name in several folders: which of them annotations mean."""
