"""The lab's one error; it never carries a traceback to a person."""

from __future__ import annotations


class LabError(Exception):
    """A sentence "cannot X: because Y", then the way out."""
