"""What `odtool configure` sets in a pipeline.config, and why."""
