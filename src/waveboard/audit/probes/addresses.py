"""The host's own addresses, from the kernel's tables. Source: /proc/net/fib_trie (`host LOCAL`), /proc/net/if_inet6."""

import re
from ipaddress import IPv6Address

from waveboard.audit.probe import Probe, Sections, refused, text
from waveboard.model.facts import Addresses, Unavailable

_LOCAL = re.compile(r"\|-- ([0-9.]{7,15})\n(?: +/[0-9]+ [^\n]*\n)*? +/32 host LOCAL")
_SIX = re.compile(r"^([0-9a-f]{32}) ", re.MULTILINE)


def parse(sections: Sections) -> Addresses | Unavailable:
    """IPv6 in its short spelling. A kernel without IPv6 has no if_inet6."""
    if (why := refused(sections["fib_trie"])) is not None:
        return why
    own = set(_LOCAL.findall(text(sections["fib_trie"])))
    if "if_inet6" in sections and refused(sections["if_inet6"]) is None:
        own |= {str(IPv6Address(int(digits, 16))) for digits in _SIX.findall(text(sections["if_inet6"]))}
    return Addresses(frozenset(own))


PROBE = Probe(Addresses, ("fib_trie",), parse, ("if_inet6",))
