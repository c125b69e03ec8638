"""Open the workspace the caller means, once a command."""

from collections.abc import MutableMapping, Sequence
from dataclasses import replace

from waveboard.app.receipting import issue, new_key, subject
from waveboard.app.site import Site
from waveboard.cli import show
from waveboard.model.errors import WaveboardError
from waveboard.model.history import CapRun


def opened(context: MutableMapping[str, object]) -> Site:
    """The Site of this command line; the workspace's path is kept in the context for what else needs it. A run of one `capability` gets
    its run key here, so that all it leaves goes by that one."""
    from waveboard.wiring import locate, site_of

    directory = locate(_named(context))
    context["workspace"] = str(directory)
    site = site_of(directory, show.progress)
    if "capability" not in context:
        return site
    return replace(site, run=str(context.setdefault("run_key", new_key(site, str(context["capability"])))))


def _named(context: MutableMapping[str, object]) -> str | None:
    named = context.get("workspace")
    return named if isinstance(named, str) else None


def cap_receipt(context: MutableMapping[str, object], capability: str, args: Sequence[str], code: int, result: str = "") -> None:
    """The receipt of one `cap run`, where there is a usable workspace to keep it. Prints the run key. result: its answer in a word.

    context: that of the command that ran, with its run key when it came so far as to open the workspace.
    """
    try:
        site = opened(context)
    except WaveboardError:
        return  # the command itself has said so already, with its own exit code
    key = _key(site, capability)
    issue(
        site,
        "capability",
        key,
        (subject("contract", site.contract.digest),),
        {"capability": capability, "args": list(args), "exit": code, **({"result": result} if result else {})},
    )
    site.store.save_cap_run(CapRun(key, capability, site.clock.now(), code))
    show.progress(f"run key {key}")


def _key(site: Site, capability: str) -> str:
    """The run's own, unless it stands on a register change whose receipt a crash prevented: that one is still to be issued under it."""
    last = site.store.changes()[-1:] if site.run and not site.store.receipted(site.run) else ()
    return new_key(replace(site, run="") if last and last[0].run_key == site.run else site, capability)
