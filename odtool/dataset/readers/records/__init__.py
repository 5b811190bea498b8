"""Data sets that are made for training: TFRecords and Hugging Face image folders."""
