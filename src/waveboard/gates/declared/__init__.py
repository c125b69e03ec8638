"""The shelf of kinds of check: one a file, found by name. Holds nothing itself."""
