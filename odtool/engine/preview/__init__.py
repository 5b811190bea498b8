"""What a model is given to train on, written down so that it can be looked at."""
