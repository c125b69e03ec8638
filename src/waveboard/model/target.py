"""How a host is reached, as the contracts say it. Reaches none."""

from dataclasses import dataclass

from waveboard.model.place import Place


@dataclass(frozen=True, slots=True)
class HostTarget:
    """How to reach a host. user/port are None where neither the target nor the defaults say."""

    id: str
    address: str
    user: str | None
    port: int | None
    tags: tuple[str, ...] = ()
    optional: bool = False
    jump: str | None = None
    known_hosts: str | None = None
    key_file: str | None = None
    mutate_user: str | None = None
    mutate_key_file: str | None = None
    place: Place | None = None
    probe_of: str = ""  # the VM it is a probe for: there only while it proves something, and never among "all hosts"
