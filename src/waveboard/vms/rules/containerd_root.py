"""containerd keeps its root on the data disk wherever docker's data-root is asked there: docker from 29 on keeps images in it.

Where docker keeps nothing in containerd, its root may be anywhere, unless the profile names one.
"""

from collections.abc import Iterable, Iterator

from waveboard.model.contract import StepSpec
from waveboard.model.facts import ConfigFiles, Docker, Unavailable
from waveboard.model.graph import PlacementClass
from waveboard.model.vm import VmSpec
from waveboard.vms.rule import Asked, Built, Checked, NotHere, Rule, Said, Seen, Stage, Watched, fails, spec, unknown
from waveboard.vms.rules.docker_order import unordered


def place_of(vm: VmSpec) -> str | None:
    """Where it is put: the profile's word, else beside docker's own root."""
    if vm.docker_root is None or vm.data is None:
        return None
    return vm.containerd_root or f"{vm.data.mount}/containerd"


def steps(asked: Asked) -> Iterable[StepSpec]:
    """Its root only before docker first starts: what a used containerd holds is not moved. Its order after the mount also later."""
    to, docker = place_of(asked.vm), asked.facts.get(Docker)
    if to is not None and isinstance(docker, Unavailable):
        yield spec(asked.vm, "set_containerd_root", to=to)
    elif asked.vm.data is not None and isinstance(docker, Docker) and docker.in_containerd and docker.containerd_root:
        mount, root, files = asked.vm.data.mount, docker.containerd_root, asked.facts.get(ConfigFiles)
        own = root.startswith(docker.root_dir + "/")  # then it starts with docker
        if root.startswith(mount + "/") and not own and isinstance(files, ConfigFiles) and any(unordered(asked, "containerd")):
            yield spec(asked.vm, "order_docker", target=mount, containerd=True)


def check(seen: Seen) -> Iterator[Said]:
    docker, wanted = seen.facts[Docker], seen.vm.containerd_root
    if not docker.in_containerd and wanted is None:
        return
    root = docker.containerd_root
    if root is None:
        yield unknown("where containerd keeps its root was not told")
        return
    if wanted is not None and root != wanted:
        yield fails(f"containerd's root is {root}; {wanted} is asked for")
    found = seen.places.paths.get(root) if seen.places else None
    if found is None or found.boot is None or found.placement is PlacementClass.UNKNOWN:
        yield unknown(f"where {root} lives is not known{f': {found.why}' if found else ''}")
    elif found.boot or found.placement is not PlacementClass.DATA:
        yield fails(f"containerd's root {root} is {found.placement.value}: {found.why}")
    elif not root.startswith(docker.root_dir + "/"):  # below docker's root it is docker's own, and starts with it
        yield from unordered(seen, "containerd")


RULE = Rule(
    "SR-014",
    "containerd's root on the data disk, where docker keeps images in it",
    29,
    lambda vm, policy: vm.docker_root is not None,
    {
        Stage.PROVISION: NotHere("containerd is set up inside the guest"),
        Stage.BOOTSTRAP: Built(("set_containerd_root", "order_docker"), steps),
        Stage.READY: Checked(check),
        Stage.GATE: Watched({"D235": ("boot-backed", "mixed-disks")}),
        Stage.WAVE: NotHere(
            "no kind of step moves an image store: its layers and snapshots are containerd's own records of each other"
        ),
    },
)
