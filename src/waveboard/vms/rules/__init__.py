"""SHELF: one storage rule a file."""
