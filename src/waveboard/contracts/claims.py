"""Numbers that claim to be thresholds, wherever they stand: threshold keys, wave conditions, and sentences. Compares none.

A sentence claims a threshold when it names the quantity, compares (`below`, `at most`, `>`, …) and gives a number with the
quantity's unit. `root usage was 81 %` compares nothing and claims nothing.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from waveboard.contracts.conditions import spoken
from waveboard.contracts.estate import Estate
from waveboard.contracts.nodes import Lines, show
from waveboard.model.condition import Comparison, parse_condition
from waveboard.model.contract import Place

_COMPARES = (
    r"(?:below|under|beneath|less\s+than|lower\s+than|at\s+most|no\s+more\s+than|not\s+exceed(?:ing)?|exceed(?:s|ing)?|over|above"
    r"|more\s+than|greater\s+than|up\s+to|within|at\s+least|threshold(?:\s+of)?|limit(?:\s+of)?|<=|>=|≤|≥|<|>)"
)
_PERCENT = r"(?:%|percent\b|pct\b)"
_GIGABYTES = r"(?:GB|gigabytes?)\b"
_MEGABYTES = r"(?:MB|megabytes?)\b"


@dataclass(frozen=True, slots=True)
class Quantity:
    """Something a threshold is about. words: how a sentence names it; facts: the fact names that mean it."""

    name: str
    unit: str
    words: re.Pattern[str]
    number: re.Pattern[str]
    facts: tuple[str, ...] = ()


def _quantity(name: str, unit: str, words: str, unit_words: str, *facts: str) -> Quantity:
    number = rf"{_COMPARES}\s*(?:of\s+)?(?P<n>[0-9]{{1,6}}(?:\.[0-9]{{1,3}})?)\s*{unit_words}"
    return Quantity(name, unit, re.compile(words, re.IGNORECASE), re.compile(number, re.IGNORECASE), facts)


_ROOT_WORDS = (
    r"(?<!docker )(?<!data-)\broot(?:fs)?\b(?![\s-]+causes?)"
    r"|\bboot(?:[\s-]+(?:disk|drive|filesystem|volume|partition))?\s+(?:usage|use|fill)|\bboot[\s-]+(?:disk|drive)\b"
)
ROOT = _quantity("root filesystem usage", "%", _ROOT_WORDS, _PERCENT, "root.used_pct")
IMAGES = _quantity("docker images", "GB", r"\bimages?\b", _GIGABYTES, "docker.images_gb")
CACHE = _quantity("docker build cache", "GB", r"\bbuild(?:er)?\s+cache\b", _GIGABYTES, "docker.build_cache_gb")
VOLUMES = _quantity("docker local volumes", "GB", r"\b(?:local|docker)\s+volumes?\b", _GIGABYTES, "docker.local_volumes_gb")
TMP = _quantity("large files in /tmp", "MB", r"(?:^|\s)/tmp\b", _MEGABYTES)
LAYER = _quantity("container writable layer", "MB", r"\b(?:writable\s+layers?|container\s+rootfs)\b", _MEGABYTES)
_DATA_WORDS = r"\bdata[\s-]+(?:disk|drive|filesystem|volume|mount|partition)\b"
DATA = _quantity("data filesystem usage", "%", _DATA_WORDS, _PERCENT)
QUANTITIES = (ROOT, DATA, IMAGES, CACHE, VOLUMES, TMP, LAYER)

# key of a threshold -> quantity and level
GUARD_KEYS = {
    "root_usage_warn_pct": (ROOT, "warn"),
    "root_usage_fail_pct": (ROOT, "fail"),
    "data_usage_warn_pct": (DATA, "warn"),
    "data_usage_fail_pct": (DATA, "fail"),
    "docker_images_warn_gb": (IMAGES, "warn"),
    "docker_build_cache_warn_gb": (CACHE, "warn"),
    "docker_local_volumes_warn_gb": (VOLUMES, "warn"),
    "host_tmp_large_file_mb": (TMP, "warn"),
    "container_rootfs_warn_mb": (LAYER, "warn"),
}
PLACEMENT_KEYS = {"boot_usage_warn_pct": (ROOT, "warn"), "boot_usage_critical_pct": (ROOT, "fail")}


@dataclass(frozen=True, slots=True)
class Claim:
    """One number. level: warn | fail, "" where a sentence or condition does not say."""

    quantity: Quantity
    level: str
    value: float
    place: Place
    path: str
    judged: bool = False  # a guard's own number


def keyed(estate: Estate) -> Iterator[Claim]:
    """Threshold keys, the guard's before the placement policy's: the guard's number is the one that is judged."""
    for reads, keys in ((estate.guard, GUARD_KEYS), (estate.placement, PLACEMENT_KEYS)):
        for read in reads:
            holder = getattr(read.value, "thresholds", None)
            for key, (quantity, level) in keys.items():
                value = getattr(holder, key, None)
                if value is not None:
                    yield Claim(
                        quantity, level, float(value), read.at("thresholds", key), f"thresholds.{key}", keys is GUARD_KEYS
                    )


def loose(estate: Estate) -> Iterator[Claim]:
    """Numbers in wave conditions and in sentences, in file order."""
    for wave in estate.waves:
        for side in ("entry", "exit"):
            for said in spoken(wave, side):
                yield from _compared(said.text, said.place, said.path)
    for document in estate.documents:
        lines = Lines(document.file, document.text)
        for loc, leaf in document.scalars():
            if isinstance(leaf.value, str):
                start, path = leaf.span.start, show(loc)
                yield from _sentences(lines, document.text, start, leaf.span.end, path)
    for file, text in sorted(estate.prose.items()):
        yield from _sentences(Lines(file, text), text, 0, len(text), "")


def _compared(text: str, place: Place, path: str) -> Iterator[Claim]:
    try:
        condition = parse_condition(text)
    except ValueError:
        return
    if not isinstance(condition, Comparison):
        return
    for name, number in ((condition.left.value, condition.right.value), (condition.right.value, condition.left.value)):
        if isinstance(name, str) and isinstance(number, float):
            for quantity in QUANTITIES:
                if any(name.endswith(f".{fact}") for fact in quantity.facts):
                    yield Claim(quantity, "", number, place, path)


_BREAK = re.compile(r"(?:[.;!?](?=\s)|\r?\n\s*\r?\n|\r?\n\s*[-*#|])")


def _sentences(lines: Lines, text: str, start: int, end: int, path: str) -> Iterator[Claim]:
    edges = [start, *(m.end() for m in _BREAK.finditer(text, start, end)), end]
    for left, right in pairwise(edges):
        sentence = text[left:right]
        for quantity in QUANTITIES:
            if quantity.words.search(sentence):
                for match in quantity.number.finditer(sentence):
                    yield Claim(quantity, "", float(match["n"]), lines.place(left + match.start("n")), path)
