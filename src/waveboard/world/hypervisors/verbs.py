"""The verbs of a hypervisor's hand: do, undo and holds side by side. Only additive; undo destroys only what carries this plan's tag."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple, Protocol, cast

from waveboard.model.errors import RefusedError, StepError
from waveboard.model.vm import DataDisk, HypervisorState, Shape, VmState

GRACE_S = 120
PAUSE_S = 5.0


class Makes(Protocol):
    """app.ports.Hypervisor, by shape."""

    def look(self) -> HypervisorState: ...
    def create(self, vmid: int, name: str, template: str, pool: str, tag: str) -> None: ...
    def configure(self, vmid: int, shape: Shape) -> None: ...
    def grow(self, vmid: int, size_bytes: int) -> None: ...
    def attach(self, vmid: int, disk: DataDisk) -> None: ...
    def seed(self, vmid: int, pool: str, files: Mapping[str, bytes]) -> None: ...
    def start(self, vmid: int) -> None: ...
    def blank(self, vmid: int, serial: str) -> bool | None: ...
    def stop(self, vmid: int, grace_s: int) -> None: ...
    def destroy(self, vmid: int, name: str, tag: str) -> None: ...
    def by_hand(self, vmid: int) -> str: ...


class Grounds(Protocol):
    """world.hypervisors.ground.Ground, by shape."""

    def private_key(self, host: str, public: str) -> str: ...
    def pinned(self, host: str, line: str) -> bool: ...
    def pin(self, host: str, line: str) -> None: ...
    def unpin(self, host: str, line: str) -> None: ...
    def presented(self, address: str, port: int) -> str: ...


class Now(Protocol):
    """app.ports.Clock, by shape."""

    def now(self) -> datetime: ...
    def sleep(self, seconds: float) -> None: ...


@dataclass(frozen=True, slots=True)
class Ctx:
    """One step. creates: whether this plan makes the VM itself. tag: of this plan."""

    makes: Makes
    ground: Grounds
    clock: Now
    tag: str
    args: Mapping[str, object]
    creates: bool

    @property
    def vmid(self) -> int:
        return cast(int, self.args["vmid"])

    @property
    def name(self) -> str:
        return str(self.args["name"])

    def vm(self) -> VmState | None:
        return self.makes.look().vms.get(self.vmid)

    def own(self) -> VmState:
        """The VM, when a plan of this workspace made it. Raises: RefusedError: nothing else is ever touched."""
        vm = self.vm()
        workspace = self.tag.rpartition("-")[0]
        if vm is None or vm.name != self.name or not vm.tag.startswith(workspace + "-"):
            told = f"VM {self.vmid} is {vm.name or 'a VM without a name'}" if vm else f"there is no VM {self.vmid}"
            raise RefusedError(f"change {self.name}", f"{told}, and not one that this workspace made", "plan again")
        return vm


class Held(NamedTuple):
    """DONE | NOT_DONE | PARTIAL, and why."""

    state: str
    reason: str


Facts = dict[str, object]


@dataclass(frozen=True, slots=True)
class Verb:
    """keys: of its arguments, `vmid` and `name` besides."""

    keys: frozenset[str]
    do: Callable[[Ctx], Facts]
    undo: Callable[[Ctx], Facts]
    holds: Callable[[Ctx], Held]


def _is(held: bool, what: str) -> Held:
    return Held("DONE", what) if held else Held("NOT_DONE", f"not: {what}")


def _create(ctx: Ctx) -> Facts:
    ctx.makes.create(ctx.vmid, ctx.name, str(ctx.args["template"]), str(ctx.args["pool"]), ctx.tag)
    return {"tag": ctx.tag}


def _destroy(ctx: Ctx) -> Facts:
    vm = ctx.vm()
    if vm is None:
        return {"left": "nothing"}
    if vm.tag == ctx.tag and vm.name == ctx.name:
        ctx.makes.destroy(ctx.vmid, ctx.name, ctx.tag)
        if ctx.vm() is not None:
            raise StepError(f"destroy VM {ctx.vmid}", "it is still there", "look at the hypervisor's task log")
        return {"left": "nothing"}
    if vm.locked and not vm.tag:
        because = (  # the way out is in it: of an undo that failed only the reason reaches the person
            f"VM {ctx.vmid} is locked ({vm.locked}) and carries no tag yet: it may be this plan's, half made, or somebody's;"
            f" look at it, and when nobody wants it: {ctx.makes.by_hand(ctx.vmid)}"
        )
        raise RefusedError(f"destroy VM {ctx.vmid}", because, "then `waveboard settle`")
    return {"left": f"VM {ctx.vmid} ({vm.name}) is not this plan's and was not touched"}


def _created(ctx: Ctx) -> Held:
    vm = ctx.vm()
    if vm is None:
        return Held("NOT_DONE", f"there is no VM {ctx.vmid}")
    if vm.tag == ctx.tag and vm.name == ctx.name and not vm.locked and any(d.slot == vm.boot for d in vm.disks):
        return Held("DONE", f"VM {ctx.vmid} is there with the tag {ctx.tag}")
    if vm.tag == ctx.tag or (vm.locked and not vm.tag):
        return Held("PARTIAL", f"VM {ctx.vmid} is half made{f' and locked ({vm.locked})' if vm.locked else ''}")
    return Held("NOT_DONE", f"VM {ctx.vmid} is another's ({vm.name})")


def _shape(value: object) -> Shape:
    return Shape(**cast(dict[str, object], value))  # type: ignore[arg-type]


def _configure(ctx: Ctx) -> Facts:
    ctx.own()
    ctx.makes.configure(ctx.vmid, _shape(ctx.args["shape"]))
    return {}


def _configure_back(ctx: Ctx) -> Facts:
    if not ctx.creates and ctx.args["before"]:
        ctx.own()
        ctx.makes.configure(ctx.vmid, _shape(ctx.args["before"]))
    return {}


def _configured(ctx: Ctx) -> Held:
    vm = ctx.vm()
    return _is(vm is not None and vm.shape == _shape(ctx.args["shape"]), "it has the cores, memory and network asked for")


def _grow(ctx: Ctx) -> Facts:
    ctx.own()
    ctx.makes.grow(ctx.vmid, cast(int, ctx.args["size_bytes"]))
    return {}


def _leave(ctx: Ctx) -> Facts:
    """Goes with the VM when this plan made it; otherwise it stays: nothing is shrunk or taken away from a VM in use."""
    return {} if ctx.creates else {"left": "as it is"}


def _grown(ctx: Ctx) -> Held:
    vm, size = ctx.vm(), cast(int, ctx.args["size_bytes"])
    return _is(
        vm is not None and any(d.slot == vm.boot and d.size_bytes >= size for d in vm.disks), f"its boot disk has {size} bytes"
    )


def _attach(ctx: Ctx) -> Facts:
    ctx.own()
    ctx.makes.attach(ctx.vmid, disk_of(ctx.args))
    return {}


def disk_of(args: Mapping[str, object]) -> DataDisk:
    """The disk of a vm_attach step."""
    return DataDisk(**cast(dict[str, object], args["disk"]))  # type: ignore[arg-type]


def _attached(ctx: Ctx) -> Held:
    disk, state = disk_of(ctx.args), ctx.makes.look()
    vm = state.vms.get(ctx.vmid)
    if vm and any(d.serial == disk.serial for d in vm.disks):
        return Held("DONE", f"it has the disk {disk.serial}")
    left = [volume for volume, vmid in state.loose.items() if vmid == ctx.vmid]
    return (
        Held("PARTIAL", f"{', '.join(left)} was allocated and not attached")
        if left
        else Held("NOT_DONE", f"no disk {disk.serial}")
    )


def _seed(ctx: Ctx) -> Facts:
    ctx.own()
    key = ctx.ground.private_key(ctx.name, str(ctx.args["host_key"]))
    given = cast(Mapping[str, str], ctx.args["files"])
    escaped = key.replace("\n", "\\n")  # it stands inside a JSON text
    files = {name: text.replace("@HOST_KEY@", escaped).encode() for name, text in given.items()}
    ctx.ground.pin(ctx.name, str(ctx.args["pin"]))
    ctx.makes.seed(ctx.vmid, str(ctx.args["pool"]), files)
    return {}


def _unseed(ctx: Ctx) -> Facts:
    if ctx.creates:
        ctx.ground.unpin(ctx.name, str(ctx.args["pin"]))
    return {}


def _seeded(ctx: Ctx) -> Held:
    vm = ctx.vm()
    held = vm is not None and bool(vm.seed) and ctx.ground.pinned(ctx.name, str(ctx.args["pin"]))
    return _is(held, "it has its seed, and its host key is pinned")


def _start(ctx: Ctx) -> Facts:
    ctx.own()
    ctx.makes.start(ctx.vmid)
    return {}


def _stop(ctx: Ctx) -> Facts:
    vm = ctx.vm()
    if vm is not None and vm.status != "stopped":
        ctx.own()
        ctx.makes.stop(ctx.vmid, GRACE_S)
    return {}


def _started(ctx: Ctx) -> Held:
    vm = ctx.vm()
    return _is(vm is not None and vm.status == "running", "it runs")


def _wait(ctx: Ctx) -> Facts:
    begun, limit = ctx.clock.now(), cast(int, ctx.args["seconds"])
    while True:
        held = _waited(ctx)
        if held.state == "DONE":
            return {}
        vm, waited = ctx.vm(), (ctx.clock.now() - begun).total_seconds()
        if vm is None or vm.status != "running":
            raise StepError(f"wait for {ctx.name}", f"its VM is {vm.status if vm else 'gone'}", "look at its console")
        if waited >= limit:
            raise StepError(
                f"wait for {ctx.name}", f"{held.reason} within {limit} s", "look at its console: did its seed reach it?"
            )
        ctx.clock.sleep(PAUSE_S)


def _waited(ctx: Ctx) -> Held:
    address, port, wanted = str(ctx.args["address"]), cast(int, ctx.args["port"]), str(ctx.args["host_key"])
    seen = ctx.ground.presented(address, port)
    if seen and seen != " ".join(wanted.split()[:2]):
        return Held("NOT_DONE", f"{address}:{port} answers with another host key")
    return _is(bool(seen), f"{address}:{port} answers SSH")


def _keys(*names: str) -> frozenset[str]:
    return frozenset(("vmid", "name", *names))


VERBS: Mapping[str, Verb] = {
    "vm_create": Verb(_keys("template", "pool"), _create, _destroy, _created),
    "vm_configure": Verb(_keys("shape", "before"), _configure, _configure_back, _configured),
    "vm_grow": Verb(_keys("size_bytes"), _grow, _leave, _grown),
    "vm_attach": Verb(_keys("disk", "disposable"), _attach, _leave, _attached),
    "vm_seed": Verb(_keys("pool", "files", "host_key", "pin"), _seed, _unseed, _seeded),
    "vm_start": Verb(_keys(), _start, _stop, _started),
    "vm_wait": Verb(_keys("address", "port", "host_key", "seconds"), _wait, lambda ctx: {}, _waited),
}
