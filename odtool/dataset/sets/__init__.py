"""The sets that are written: which images each split of them has and how often, and the folder of each."""
