"""What `odtool inspect` shows: the figures of a source and its page."""
