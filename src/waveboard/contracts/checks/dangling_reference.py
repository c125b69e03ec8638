"""Names that name nothing. An error in what waveboard's own files judge or change by (host, gate, pack, a wave's links); a
warning in the operator's files. The links inside the registers are looked at by `registers`."""

import re
from collections.abc import Iterable, Iterator
from typing import Any

from waveboard.contracts.check import Check, Told, error, warning
from waveboard.contracts.estate import Estate, section_key
from waveboard.contracts.nodes import show
from waveboard.contracts.typed import Read
from waveboard.model.contract import Complaint, Place

_GAP = re.compile(r"GAP-[A-Z]{1,8}-[0-9]{1,6}")
_LOOP = re.compile(r"LOOP-[A-Z0-9]+(?:-[A-Z0-9]+)*-[0-9]{8}")
_STOR = re.compile(r"[A-Z]{2,8}-[0-9]{1,6}")
_CODE = "dangling-reference"
Loc = tuple[str | int, ...]
Named = Iterable[tuple[Loc, str]]  # where each name stands


def run(estate: Estate) -> Iterator[Complaint]:
    yield from _targets(estate)
    yield from _storage(estate)
    yield from _findings(estate)
    yield from _packs(estate)
    yield from _waves(estate)
    yield from _elsewhere(estate)


def _targets(estate: Estate) -> Iterator[Complaint]:
    ids = estate.host_ids
    for read in estate.hosts:
        for at, target in enumerate(read.value.ssh.targets):
            if target.probe_via and ids is not None and target.probe_via not in ids:
                loc = ("ssh", "targets", at, "probe_via")
                said = f"`{target.id}` is reached through `{target.probe_via}`, which is no target"
                yield warning(read.at(*loc), f"ssh.targets[{at}].probe_via", _CODE, said, "name a target's id")
    for lives, at, vm in estate.living():
        if vm.ssh_target and ids is not None and vm.ssh_target not in ids:
            said = f"{vm.called} says it is reached as `{vm.ssh_target}`, which is no target"
            fix = "add the target to the hosts contract, or correct the id"
            yield warning(lives.at("vms", at, "ssh_target"), f"vms[{at}].ssh_target", _CODE, said, fix)


def _storage(estate: Estate) -> Iterator[Complaint]:
    if not estate.vms or "vms" in estate.broken or estate.host_ids is None:
        return
    machines = estate.host_ids | {vm.hostname for _, _, vm in estate.living()}
    for read in estate.placement:
        for host in read.value.vm_storage or {}:
            if host not in machines:
                said = f"`{host}` is neither a VM that lives nor a target"
                fix = "correct the name, or take the entry out"
                yield warning(read.key("vm_storage", host), f"vm_storage.{host}", _CODE, said, fix)


def _findings(estate: Estate) -> Iterator[Complaint]:
    for read in estate.findings:
        clusters = {c.id for c in read.value.root_cause_clusters or ()}
        for at, stor in enumerate(read.value.stor_findings):
            if stor.root_cause_cluster and stor.root_cause_cluster not in clusters:
                place = read.at("stor_findings", at, "root_cause_cluster")
                said = f"{stor.id} names the cluster `{stor.root_cause_cluster}`, which root_cause_clusters does not define"
                yield warning(
                    place, f"stor_findings[{at}].root_cause_cluster", _CODE, said, "define the cluster, or correct the id"
                )
            yield from _gaps(estate, read, _each(("stor_findings", at, "existing_gap_ids"), stor.existing_gap_ids))
            yield from _loops(estate, read, _each(("stor_findings", at, "existing_loop_ids"), stor.existing_loop_ids))
        ids = {stor.id for stor in read.value.stor_findings}
        for at, cluster in enumerate(read.value.root_cause_clusters or ()):
            for index, name in enumerate(cluster.stor_findings or ()):
                if name not in ids:
                    place = read.at("root_cause_clusters", at, "stor_findings", index)
                    path = f"root_cause_clusters[{at}].stor_findings[{index}]"
                    yield warning(
                        place, path, _CODE, f"the cluster names `{name}`, which stor_findings does not hold", "correct the id"
                    )
            yield from _gaps(estate, read, _each(("root_cause_clusters", at, "primary_gap_ids"), cluster.primary_gap_ids))
            if cluster.primary_loop_id:
                yield from _loops(estate, read, [(("root_cause_clusters", at, "primary_loop_id"), cluster.primary_loop_id)])


def _gaps(estate: Estate, read: Read[Any], named: Named, told: Told = warning) -> Iterator[Complaint]:
    yield from _linked(read, named, _GAP, "GAP-OP-123", estate.gap_ids, "the gap register", told)


def _loops(estate: Estate, read: Read[Any], named: Named, told: Told = warning) -> Iterator[Complaint]:
    yield from _linked(read, named, _LOOP, "LOOP-NAME-20260226", estate.loop_ids, "the loop files", told)


def _each(loc: Loc, names: Iterable[str] | None) -> Named:
    return (((*loc, index), name) for index, name in enumerate(names or ()))


def _linked(
    read: Read[Any],
    named: Named,
    shape: re.Pattern[str],
    like: str,
    listed: frozenset[str] | None,
    where: str,
    told: Told,
) -> Iterator[Complaint]:
    for loc, name in named:
        place, path = read.at(*loc), show(loc)
        if not shape.fullmatch(name):
            yield told(place, path, _CODE, f"`{name}` is not written like {like}", "correct the id")
        elif listed is not None and name not in listed:
            yield told(place, path, _CODE, f"`{name}` is not in {where}", "correct the id, or register it")


def _packs(estate: Estate) -> Iterator[Complaint]:
    for read in estate.packs:
        for name, pack in read.value.packs.items():
            loc = ("packs", name)
            for index, gate in enumerate(pack.gates):
                if gate not in estate.gate_codes:
                    built = ", ".join(sorted(estate.gate_codes)) or "none"
                    fix = f"declare it, or list it under `later:` until it is; the gates are: {built}"
                    yield error(
                        read.at(*loc, "gates", index), f"packs.{name}.gates[{index}]", _CODE, f"there is no gate `{gate}`", fix
                    )
            for index, gate in enumerate(pack.later):
                if gate in estate.gate_codes:
                    said = f"`{gate}` exists, and the pack does not ask it"
                    place, path = read.at(*loc, "later", index), f"packs.{name}.later[{index}]"
                    yield warning(place, path, "built-gate", said, "move it to `gates:`")
            for gate in pack.modes:
                if gate not in pack.gates:
                    said = f"`{gate}` has a mode but is not in the pack"
                    yield error(read.key(*loc, "modes", gate), f"packs.{name}.modes.{gate}", _CODE, said, "add it to `gates:`")
            yield from _hosts(estate, read, (*loc, "hosts"), pack.hosts)
        for at, link in enumerate(read.value.links):
            if estate.stor_ids is not None and link.stor not in estate.stor_ids:
                said = f"the findings map has no `{link.stor}`"
                yield warning(read.at("links", at, "stor"), f"links[{at}].stor", _CODE, said, "name an id of the map")
            codes = estate.gate_codes.get(link.gate)
            if codes is None:
                yield error(
                    read.at("links", at, "gate"), f"links[{at}].gate", _CODE, f"there is no gate `{link.gate}`", "correct the id"
                )
            for index, code in enumerate(link.codes if codes is not None else ()):
                if code not in (codes or ()):
                    fix = f"its codes are: {', '.join(sorted(codes or ()))}"
                    place = read.at("links", at, "codes", index)
                    yield error(place, f"links[{at}].codes[{index}]", _CODE, f"{link.gate} never says `{code}`", fix)
            yield from _hosts(estate, read, ("links", at, "hosts"), link.hosts)


def _waves(estate: Estate) -> Iterator[Complaint]:
    waves = {read.value.id for read in estate.waves}
    for read in estate.waves:
        wave = read.value
        yield from _hosts(estate, read, ("scope", "mutate"), wave.scope.mutate)
        yield from _hosts(estate, read, ("scope", "read_only"), wave.scope.read_only)
        stor = ("links", "stor")
        yield from _linked(read, _each(stor, wave.links.stor), _STOR, "STOR-001", estate.stor_ids, "the findings map", error)
        yield from _gaps(estate, read, _each(("links", "gaps"), wave.links.gaps), error)
        yield from _loops(estate, read, _each(("links", "loops"), wave.links.loops), error)
        for index, other in enumerate(wave.excludes):
            place = read.at("excludes", index)
            if other == wave.id:
                yield error(
                    place, f"excludes[{index}]", _CODE, f"`{other}` excludes itself", "name the waves beside which it may not run"
                )
            if other not in waves and "waves" not in estate.broken:
                yield error(
                    place,
                    f"excludes[{index}]",
                    _CODE,
                    f"there is no wave `{other}`",
                    f"the waves are: {', '.join(sorted(waves))}",
                )


def _elsewhere(estate: Estate) -> Iterator[Complaint]:
    for read in estate.windows:
        for at, window in enumerate(read.value.windows):
            made_there = estate.workspace.value.hypervisors or {}
            for index, host in enumerate(window.hosts):
                if host not in made_there:
                    yield from _host(estate, read.at("windows", at, "hosts", index), show(("windows", at, "hosts", index)), host)
    for services in estate.services:
        for host in services.value.hosts:
            yield from _host(estate, services.key("hosts", host), f"hosts.{host}", host)
    access = estate.workspace.value.access
    for host in access.hosts if access else ():
        yield from _host(estate, estate.workspace.key("access", "hosts", host), f"access.hosts.{host}", host)
    names = {section_key(host) for host in estate.host_ids or ()}
    for section in estate.sections:
        if estate.host_ids is not None and section.key not in names:
            said = f"`{section.key}` belongs to no host of the hosts contract, so nothing reads it"
            yield warning(section.guard.key(section.key), section.key, _CODE, said, "name it <host id with - as _>_contract")


def _hosts(estate: Estate, read: Read[Any], loc: tuple[str | int, ...], hosts: Iterable[str]) -> Iterator[Complaint]:
    for index, host in enumerate(hosts):
        yield from _host(estate, read.at(*loc, index), show((*loc, index)), host)


def _host(estate: Estate, place: Place, path: str, host: str) -> Iterator[Complaint]:
    if estate.host_ids is not None and host not in estate.host_ids:
        yield error(place, path, _CODE, f"there is no host `{host}`", "name the id of a target of the hosts contract")


CHECK = Check((_CODE, "built-gate"), run)
