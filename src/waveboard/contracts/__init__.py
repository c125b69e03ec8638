"""YAML texts -> one Contract, with file:line:col in every complaint. Opens no file and judges no host."""
