"""How fast detectors are, how much memory they take and how well they find, measured in a process for each."""
