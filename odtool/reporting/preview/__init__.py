"""What a run's model is given to train on, as the engine wrote it down, and the page that shows it."""
