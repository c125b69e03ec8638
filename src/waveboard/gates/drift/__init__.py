"""The shelf of built-in drift gates: one file, one gate, exported as GATE on its last line."""
