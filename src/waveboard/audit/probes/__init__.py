"""SHELF: one noun a file, PROBE on its last line. Files that start with an underscore are what several of them read."""
