"""Settings that people write into files: reading them, and what the command line takes from them."""
