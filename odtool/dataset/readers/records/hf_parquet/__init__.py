"""Parquet tables of Hugging Face data sets."""
