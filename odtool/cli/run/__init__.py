"""Commands on a run: start, watch and stop training and evaluation."""
