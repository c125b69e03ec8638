"""What plans are called: never two hosts alike, and always a name that a hand accepts (hand/wb_hand/judging.py)."""

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.waves import estate as E
from tests.waves.test_plan import planned
from waveboard.model.change import bootstrap_name, fitting, provision_name, retire_name
from waveboard.model.errors import UsageError
from waveboard.waves import plan_json
from waveboard.waves.plan import retire

HAND = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,31}")
STEP = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")
HOSTS = st.from_regex(r"[a-z0-9][a-z0-9._-]{0,62}", fullmatch=True)
ALIKE = st.tuples(st.just("h" * 24), st.text("h-", max_size=12)).map("".join)
NAMES = [provision_name, bootstrap_name, retire_name, lambda host: retire_name(bootstrap_name(host))]


@pytest.mark.parametrize("name", NAMES)
@given(st.lists(HOSTS | ALIKE, min_size=2, max_size=8, unique=True))
def test_distinct_hosts_have_distinct_names_that_the_hand_accepts(name, hosts) -> None:  # type: ignore[no-untyped-def]
    named = [name(host) for host in hosts]
    assert len(set(named)) == len(named) and all(HAND.fullmatch(one) for one in named), named


@pytest.mark.parametrize("name", [provision_name, bootstrap_name, retire_name])
def test_a_host_that_is_called_like_what_is_left_of_another_has_a_name_of_its_own(name) -> None:  # type: ignore[no-untyped-def]
    cut = name("h" * 40)
    other = cut.removeprefix("PROV-").removeprefix("BOOT-").removesuffix("-RETIRE")
    assert name(other) != cut and HAND.fullmatch(name(other))


def test_what_fits_is_called_as_before() -> None:
    assert provision_name("h" * 27) == "PROV-" + "h" * 27 and bootstrap_name("a.b") == "BOOT-a.b"
    assert retire_name("w" * 25) == "w" * 25 + "-RETIRE" and fitting("PROV-" + "h" * 28) != "PROV-" + "h" * 28


@pytest.mark.parametrize("wave", ["M1", "w" * 25, "w" * 26, "w" * 32, "BOOT-" + "a.b" * 9])
def test_a_retire_plan_knows_the_wave_it_serves_whatever_it_is_called(wave: str) -> None:
    parent = planned(E.MOUNT, id=wave)
    asides = ({"kind": "path", "path": "/var/lib/docker.wb", "bytes": 5},)
    plan = retire(parent, E.facts(), asides, proposer="p@x", contract=E.contract(), gates="g", at=E.AT)
    assert plan.serves == wave and plan.wave == retire_name(wave) and HAND.fullmatch(plan.wave)
    assert all(STEP.fullmatch(step.id) for step in (*parent.steps, *plan.steps))
    raw = plan_json.to_bytes(plan)
    assert plan_json.from_bytes(raw) == plan and (b'"leavings_of"' in raw) == (len(wave) > 25)


@pytest.mark.parametrize("kind", ["wave", "retire"])
def test_no_plan_serves_a_wave_it_is_not_named_after(kind: str) -> None:
    with pytest.raises(UsageError, match="leavings_of"):
        plan_json.to_bytes(replace(planned(E.MOUNT), kind=kind, leavings_of="w" * 32))
