"""Everything that looks at the whole set before a record is written: checks, claims, duplicates, groups, refusals."""
