"""SHELF: one kind of step a file; do, undo and the commands a person would type stand side by side."""
