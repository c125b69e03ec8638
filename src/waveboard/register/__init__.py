"""Findings against the findings map: which STOR id, gaps and loops own them, and what changed since the last run."""
