"""The value of an RFC 5545 RRULE (section 3.3.10), as far as windows use it: which parts there are, what they hold, what goes with what.

The library that computes occurrences runs on for ever, or means something else, on values outside of this; so they are refused here.
"""

import re
from calendar import monthrange
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from itertools import islice
from zoneinfo import ZoneInfo

_FREQUENCIES = ("DAILY", "WEEKLY", "MONTHLY", "YEARLY")
_DAYS = "MO|TU|WE|TH|FR|SA|SU"
_WHOLE = {"INTERVAL": "[1-9][0-9]{0,5}", "COUNT": "[1-9][0-9]{0,5}", "UNTIL": "[0-9TZ]+", "WKST": _DAYS}
_NUMBERS = {  # part -> smallest, largest, whether one may count from the end
    "BYHOUR": (0, 23, False), "BYMINUTE": (0, 59, False), "BYMONTH": (1, 12, False), "BYMONTHDAY": (1, 31, True),
    "BYYEARDAY": (1, 366, True), "BYWEEKNO": (1, 53, True), "BYSETPOS": (1, 366, True),
}  # fmt: skip
_NEVER_WITH = {"BYMONTHDAY": ("WEEKLY",), "BYYEARDAY": ("DAILY", "WEEKLY", "MONTHLY"), "BYWEEKNO": ("DAILY", "WEEKLY", "MONTHLY")}
_LONGEST_DAYS = {"DAILY": 1, "WEEKLY": 7, "MONTHLY": 31, "YEARLY": 366}
_TIMES_A_DAY = 24
_YEARS = 5
_END_OF_TIME = datetime(9999, 1, 1, tzinfo=UTC)


def checked(rule: str) -> str:
    """The rule as it came. Raises: ValueError saying what in it RFC 5545 does not know or does not let stand together."""
    parts = dict(part.partition("=")[::2] for part in rule.split(";"))
    if len(parts) != rule.count(";") + 1:
        raise ValueError("a rule is the value of an RFC 5545 RRULE, such as FREQ=WEEKLY;BYDAY=TU,TH, each part once")
    frequency = parts.get("FREQ", "")
    if frequency not in _FREQUENCIES:
        raise ValueError(f"FREQ is one of {', '.join(_FREQUENCIES)}")
    for name, value in parts.items():
        if name != "FREQ" and not _known(name, value, frequency, "BYWEEKNO" in parts):
            raise ValueError(f"RFC 5545 knows no {name}={value} in a rule with FREQ={frequency}")
    for problem in _together(parts):
        raise ValueError(problem)
    return rule


def until(rule: str) -> datetime:
    """The rule's UNTIL; without one it never ends."""
    told = next((part.removeprefix("UNTIL=") for part in rule.split(";") if part.startswith("UNTIL=")), None)
    return datetime.strptime(told, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC) if told else _END_OF_TIME


def comes(rule: str, starts: datetime, zone: str) -> bool:
    """Whether a checked rule that starts at this local time comes at all, before its own end, within some years."""
    from dateutil.rrule import rrulestr

    bare = ";".join(part for part in rule.split(";") if not part.startswith(("UNTIL=", "COUNT=")))
    last = starts + timedelta(days=366 * _YEARS)
    first = next(islice(rrulestr(f"{bare};UNTIL={last:%Y%m%dT%H%M%S}", dtstart=starts), 1), None)
    return first is not None and first.replace(tzinfo=ZoneInfo(zone)).astimezone(UTC) <= until(rule)


def _sizes(numbers: str) -> list[int]:
    return [abs(int(one)) for one in numbers.split(",")]


def _known(name: str, value: str, frequency: str, by_week: bool) -> bool:
    if name in _WHOLE:
        return re.fullmatch(_WHOLE[name], value) is not None
    if name == "BYDAY":
        most = {"MONTHLY": 5, "YEARLY": 53}.get(frequency, 0) if not by_week else 0
        found = [re.fullmatch(rf"([+-]?[1-9][0-9]?)?({_DAYS})", one) for one in value.split(",")]
        return all(one is not None and abs(int(one[1] or 0)) <= most for one in found)
    if name in _NUMBERS and frequency not in _NEVER_WITH.get(name, ()):
        least, most, backwards = _NUMBERS[name]
        shape = r"[+-]?[0-9]{1,3}" if backwards else r"[0-9]{1,2}"
        return all(re.fullmatch(shape, one) and least <= abs(int(one)) <= most for one in value.split(","))
    return False


def _together(parts: Mapping[str, str]) -> Iterator[str]:
    if "COUNT" in parts and "UNTIL" in parts:
        yield "a rule ends by COUNT or by UNTIL, not by both"
    if "BYSETPOS" in parts and not ({"BYDAY", *_NUMBERS} - {"BYSETPOS"}) & set(parts):
        yield "BYSETPOS picks among what another BY part yields, and there is none"
    times = (parts.get("BYHOUR", "").count(",") + 1) * (parts.get("BYMINUTE", "").count(",") + 1)
    if times > _TIMES_A_DAY:
        yield f"a window opens at most {_TIMES_A_DAY} times a day"
    # The library looks for what never comes as far as the year 9999, for minutes; these two are seen at once.
    if "BYSETPOS" in parts and min(_sizes(parts["BYSETPOS"])) > _LONGEST_DAYS[parts["FREQ"]] * times:
        yield f"this rule never comes: BYSETPOS={parts['BYSETPOS']} picks among fewer"
    if "BYMONTH" in parts and "BYMONTHDAY" in parts:
        longest = max(monthrange(2024, month)[1] for month in _sizes(parts["BYMONTH"]))
        if min(_sizes(parts["BYMONTHDAY"])) > longest:
            yield f"this rule never comes: no month of these has a day {parts['BYMONTHDAY']}"
    try:
        told = parts.get("UNTIL", "")
        wrong = told != "" and f"{until(f'UNTIL={told}'):%Y%m%dT%H%M%SZ}" != told
    except ValueError:
        wrong = True
    if wrong:
        yield "UNTIL is written in UTC, like 20271231T235959Z"
