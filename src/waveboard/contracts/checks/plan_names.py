"""A plan is called as its wave is, and every hand takes at most 32 characters: an id that cannot be a plan's name, or that is the name of
a plan waveboard itself makes, is told before anybody plans. Waves that change no host become no plan.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace

from waveboard.contracts.check import Check, error
from waveboard.contracts.estate import Estate
from waveboard.model.change import LONGEST_NAME, bootstrap_name, fitting, provision_name, retire_name
from waveboard.model.contract import Complaint


def run(estate: Estate) -> Iterator[Complaint]:
    taken = _taken(estate)
    for read in estate.waves:
        name = read.value.id
        if read.value.mutation_policy != "controlled-runtime":
            continue
        told = None
        if len(name) > LONGEST_NAME:
            said = f"a plan is called as its wave is, and hosts take at most {LONGEST_NAME} characters; this id has {len(name)}"
            told = error(read.at("id"), "id", "too-long", said, f"shorten it, for example to {name[:LONGEST_NAME].rstrip('._-')}")
        elif whose := taken.get(name):
            said = f"`{name}` is what {whose} is called: two plans would share one name"
            told = error(read.at("id"), "id", "taken-name", said, "call the wave something else")
        elif fitting(name) != name:
            said = f"`{name}` reads like a longer name that was cut to {LONGEST_NAME} characters: another plan might be called so"
            told = error(read.at("id"), "id", "taken-name", said, "call the wave something else")
        if told:
            yield replace(told, level="warning") if read.value.draft else told


def _taken(estate: Estate) -> Mapping[str, str]:
    """Names of plans that are made for hosts and waves, and whose each is."""
    hosts = sorted({*(estate.host_ids or ()), *estate.vm_ids})
    waves = sorted({read.value.id for read in estate.waves if read.value.mutation_policy == "controlled-runtime"})
    return {
        **{bootstrap_name(host): f"the bootstrap of {host}" for host in hosts},
        **{provision_name(host): f"the plan that makes {host}" for host in hosts},
        **{retire_name(wave): f"the retire plan of {wave}" for wave in waves},
    }


CHECK = Check(("too-long", "taken-name"), run)
