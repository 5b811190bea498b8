"""What the numbers of a whole set mean, as its boxes bear out."""
