"""Text from hosts made harmless for each place it is printed in. What a host says must not move a cursor, turn a line around,
close a tag or make a link.
"""

MAX_CHARS = 2000
_MARKDOWN = {c: f"\\{c}" for c in "\\`*_{}[]()#+-.!|~"} | {"&": "&amp;", "<": "&lt;", ">": "&gt;", "@": "&#64;", ":": "&#58;"}
_XML = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&apos;"}
_LABEL = {"\\": "\\\\", '"': '\\"'}


def plain(text: str) -> str:
    """One line of printable characters: controls, bidi and zero-width marks, lone surrogates and line ends become `\\u` escapes.

    Longer text is cut at MAX_CHARS, and says so.
    """
    cut = text[:MAX_CHARS]
    shown = "".join(c if c.isprintable() else _escape(c) for c in cut)
    return shown if len(text) <= MAX_CHARS else f"{shown}… ({len(text) - MAX_CHARS} more characters)"


def markdown(text: str) -> str:
    """Plain text that renders as itself: no markup, no HTML, no mention, no link."""
    return "".join(_MARKDOWN.get(c, c) for c in plain(text))


def xml(text: str) -> str:
    """Plain text for XML content and attributes."""
    return "".join(_XML.get(c, c) for c in plain(text))


def label(text: str) -> str:
    """Plain text for a Prometheus label value."""
    return "".join(_LABEL.get(c, c) for c in plain(text))


def uri(text: str) -> str:
    """One path segment of a URI: everything but unreserved characters in percent form (RFC 3986, section 2)."""
    raw = text.encode("utf-8", "surrogatepass")
    return "".join(chr(b) if chr(b).isascii() and (chr(b).isalnum() or b in b"-._~") else f"%{b:02X}" for b in raw)


def valid(text: str) -> str:
    """The text itself, with lone surrogates spelled out, so that any JSON parser takes it."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def _escape(c: str) -> str:
    code = ord(c)
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"
