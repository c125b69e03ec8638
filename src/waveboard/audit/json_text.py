"""JSON text as the standard library reads it, only sooner. It repairs nothing and knows no schema.

pydantic's parser goes first, because it takes a third of the time. What it refuses, the standard library judges: lone surrogates
(names on a disk that are not UTF-8), deep nesting and text that is no JSON at all.
"""

import json

from pydantic_core import from_json


def read(raw: bytes) -> object:
    """The value, exactly as json.loads gives it. Raises: ValueError, RecursionError, as json.loads does."""
    try:
        return from_json(raw)
    except ValueError:
        return json.loads(raw)
