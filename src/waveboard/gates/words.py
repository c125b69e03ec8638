"""Words in a text: how they are compared and on which line they stand. Knows no rule."""

from waveboard.gates.kind import Asked


def folded(asked: Asked, text: str) -> str:
    """The text as it is compared: without its case where the check says `ignore_case`."""
    return text.lower() if asked.params.get("ignore_case") else text


def line_of(text: str, word: str) -> int:
    """The 1-based line of the word's first place; 1 when it is not there."""
    return text.count("\n", 0, max(text.find(word), 0)) + 1
