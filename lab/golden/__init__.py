"""Baking golden images; running them is the rest of the lab."""
