"""The input pipelines: the API's records to batches, with bounded memory."""
