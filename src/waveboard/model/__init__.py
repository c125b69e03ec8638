"""F0: the nouns. Frozen dataclasses, units and errors; the standard library only; no behaviour beyond reading themselves."""
