"""Telling somebody outside that a job has ended: to whom, what, and by a process that nothing waits for."""
