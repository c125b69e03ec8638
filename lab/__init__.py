"""Real hosts on one machine, with the specification's drift planted: systemd, OpenSSH, Docker and disks of their own.

The Python interface is up(), down(), reset(), status() and the Lab and Host they give; nothing here is part of the product.
"""

from lab.errors import LabError
from lab.host import Host
from lab.instance import Lab, down, install, power_cut, reboot, reset, status, up
from lab.settings import Settings, from_environment

__all__ = [
    "Host",
    "Lab",
    "LabError",
    "Settings",
    "down",
    "from_environment",
    "install",
    "power_cut",
    "reboot",
    "reset",
    "status",
    "up",
]
