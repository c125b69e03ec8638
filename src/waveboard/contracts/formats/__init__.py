"""One file a format: what each contract file may hold, as strict pydantic models. Judges nothing across files."""
