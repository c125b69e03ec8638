"""The host's own addresses, from the kernel's tables. Source: /proc/net/fib_trie (`host LOCAL`), /proc/net/if_inet6."""

import re
from struct import unpack

from waveboard.audit.probe import Probe, Sections, refused, text
from waveboard.model.facts import Addresses, Unavailable

_LOCAL = re.compile(r"([0-9.]{7,15})\n(?: +/[0-9]+ [^\n]*\n)*? +/32 host LOCAL")  # behind the mark of a leaf
_RUNS = [":" + "0:" * length for length in range(8, 1, -1)]
_SIX = re.compile(r"[0-9a-f]{32}")


def parse(sections: Sections) -> Addresses | Unavailable:
    """IPv6 in its short spelling. A kernel without IPv6 has no if_inet6."""
    if (why := refused(sections["fib_trie"])) is not None:
        return why
    leaves = [leaf for leaf in text(sections["fib_trie"]).split("|-- ") if "/32 host LOCAL" in leaf]
    own = {found[1] for leaf in leaves if (found := _LOCAL.match(leaf))}
    if "if_inet6" in sections and refused(sections["if_inet6"]) is None:
        digits = [line.partition(" ")[0] for line in text(sections["if_inet6"]).split("\n") if " " in line]
        own |= {_short(one) for one in digits if _SIX.fullmatch(one)}
    return Addresses(frozenset(own))


def _short(digits: str) -> str:
    """RFC 5952: no leading zeros, and the first of the longest runs of zeros left out. ipaddress says the same, more slowly."""
    groups = "{:x}:{:x}:{:x}:{:x}:{:x}:{:x}:{:x}:{:x}".format(*unpack(">8H", bytes.fromhex(digits)))
    for zeros in _RUNS if "0:0" in groups else ():
        start = f":{groups}:".find(zeros)
        if start >= 0:
            return f"{groups[: max(start - 1, 0)]}::{groups[start + len(zeros) - 1 :]}"
    return groups


PROBE = Probe(Addresses, ("fib_trie",), parse, ("if_inet6",))
