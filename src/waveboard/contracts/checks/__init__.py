"""SHELF: one check across files each, exporting CHECK. Every check only looks; none mends."""
