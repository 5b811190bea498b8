"""The TF2 detection zoo: its models, published figures and downloads."""
