"""Engines: the work of prepare done by Apache Beam's runners, on this machine or on others that share its disk."""
