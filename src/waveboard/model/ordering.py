"""The drop-in that lets a unit start only after a mount: where it lies and what it says. The hand writes it. Source: systemd.unit(5)."""


def dropin(unit: str) -> str:
    """The file that orders that unit."""
    return f"/etc/systemd/system/{unit}.service.d/10-waveboard-data.conf"


def after_mount(target: str) -> tuple[str, str]:
    """The lines of its [Unit] section, without which it orders nothing."""
    return f"RequiresMountsFor={target}", f"AssertPathIsMountPoint={target}"
