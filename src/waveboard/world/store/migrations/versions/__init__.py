"""One file a change of schema. A released file is never edited."""
