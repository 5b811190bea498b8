"""What is recognized but not read, to say why and what to do instead."""
