"""What a trained model is used for, as functions."""
