"""The registry: every verb by name, with its safety, approval, typed arguments and outputs. A table; it runs nothing.

The doors are held to it by a test: a command without a capability, or a capability without a command, fails the build.
"""

from dataclasses import dataclass

from waveboard.model.errors import UsageError


@dataclass(frozen=True, slots=True)
class Arg:
    """One argument as a caller types it. type: text | path | flag | instant | choice."""

    name: str
    type: str
    required: bool
    summary: str


@dataclass(frozen=True, slots=True)
class Capability:
    """safety: read-only | mutating | destructive. approval: auto | manual (a person's signature on the exact plan).

    command: the words of the CLI. outputs: what it leaves behind, in the order it is written.
    """

    name: str
    safety: str
    approval: str
    summary: str
    command: tuple[str, ...]
    args: tuple[Arg, ...] = ()
    outputs: tuple[str, ...] = ("stdout",)


_JSON = Arg("--json", "flag", False, "print one stable, versioned JSON document")
_HOSTS = Arg("HOST…", "text", False, "host ids; all hosts of the workspace when absent")
_EVIDENCE = Arg("--evidence", "path", False, "judge these bundles (a directory or files) instead of reading hosts")
_PLAN = Arg("PLAN", "path", True, "a plan file, or the digest of a stored plan")

_GAP = Arg("GAP", "text", True, "a gap's id")
_LOOP = Arg("LOOP", "text", True, "a loop's id")
_REASON = Arg("--reason", "text", False, "why; kept with the change")
_DRY = Arg("--dry-run", "flag", False, "tell what the files hold, take nothing in")
_REGISTER = ("register", "receipt")

# fmt: off
CAPABILITIES: tuple[Capability, ...] = (
    Capability("contracts.check", "read-only", "auto", "check every contract; all problems at once, each with its place",
               ("contracts", "check"), (_JSON, Arg("--strict", "flag", False, "warnings also fail"))),
    Capability("contracts.schemas", "read-only", "auto", "write the contracts' JSON Schemas for editors",
               ("contracts", "schemas"), (Arg("-o", "path", True, "directory to write to"),), ("files",)),
    Capability("host.audit", "read-only", "auto", "read hosts; store and optionally export the evidence", ("audit",),
               (_HOSTS, Arg("-o", "path", False, "also write one bundle per host here"), Arg("--sysroot", "path", False, "read a recorded tree"),
                _EVIDENCE, _JSON), ("evidence", "receipt")),
    Capability("host.where", "read-only", "auto", "the chain from a path to its disks, and the boot verdict", ("where",),
               (Arg("HOST", "text", False, "a host of the workspace"), Arg("PATH", "text", True, "absolute path"),
                Arg("--container", "text", False, "resolve PATH inside this container"), _EVIDENCE,
                Arg("--sysroot", "path", False, "read a recorded tree"), _JSON)),
    Capability("verify.pack.run", "read-only", "auto", "judge a pack of gates", ("verify",),
               (Arg("PACK", "text", True, "a pack of packs.yaml"), _EVIDENCE,
                Arg("--format", "choice", False, "text, json, junit, sarif, prometheus or markdown"), _JSON), ("report", "evidence", "receipt")),
    Capability("gates.list", "read-only", "auto", "list the gates, or explain one", ("gates",), (Arg("ID", "text", False, "a gate id"), _JSON)),
    Capability("findings.list", "read-only", "auto", "findings of the latest run with their links", ("findings", "list"),
               (Arg("--pack", "text", False, "which pack's latest run"), _JSON)),
    Capability("findings.reconcile", "mutating", "auto", "the latest run against the register: new, returned, vanished, out of sight",
               ("findings", "reconcile"), (Arg("--pack", "text", False, "which pack's latest run"), _JSON), ("register", "receipt")),
    Capability("session.start", "read-only", "auto", "where things stand, in ten lines, and what to do next", ("session", "start"), (_JSON,)),
    Capability("waivers.status", "read-only", "auto", "every waiver: live, expired or conditional, and what it covers", ("waivers", "status"), (_JSON,)),
    Capability("gaps.status", "read-only", "auto", "how many gaps there are, and every open one with its loop", ("gaps", "status"),
               (Arg("--all", "flag", False, "settled and accepted gaps too"), _JSON)),
    Capability("gaps.show", "read-only", "auto", "one gap with everything that happened to it", ("gaps", "show"), (_GAP, _JSON)),
    Capability("gaps.file", "mutating", "auto", "register a gap", ("gaps", "file"),
               (Arg("--description", "text", True, "what is wrong"), Arg("--severity", "choice", True, "critical, high, medium or low"),
                Arg("--type", "text", True, "stale-ssot, missing-entry, runtime-bug …"), Arg("--id", "text", False, "the next free number when absent"),
                Arg("--loop", "text", False, "the loop that owns it"), Arg("--criterion", "text", False, "the condition that closes it"),
                Arg("--producer", "text", False, "what would bring it back"), Arg("--finding", "text", False, "a fingerprint")), _REGISTER),
    Capability("gaps.claim", "mutating", "auto", "work on a gap alone, for some hours", ("gaps", "claim"),
               (_GAP, Arg("--hours", "text", False, "how long, 8 when absent")), _REGISTER),
    Capability("gaps.release", "mutating", "auto", "give a claimed gap back", ("gaps", "release"), (_GAP,), _REGISTER),
    Capability("gaps.reparent", "mutating", "auto", "give a gap to another loop", ("gaps", "reparent"),
               (_GAP, Arg("--to", "text", True, "a loop, or none"), _REASON), _REGISTER),
    Capability("gaps.fix", "mutating", "auto", "say that a gap is fixed; it stays open until that is proven", ("gaps", "fix"),
               (_GAP, Arg("--in", "text", True, "what fixed it"), _REASON), _REGISTER),
    Capability("gaps.accept", "mutating", "auto", "live with a gap for a while; people only", ("gaps", "accept"),
               (_GAP, Arg("--reason", "text", True, "why"), Arg("--owner", "text", True, "who answers for it"),
                Arg("--until", "instant", True, "when it is open again")), _REGISTER),
    Capability("gaps.close", "mutating", "auto", "close a gap on the evidence its criterion names", ("gaps", "close"),
               (_GAP, Arg("--run", "text", False, "the verify run that proves it"), _REASON), _REGISTER),
    Capability("gaps.import", "mutating", "auto", "take in another register's files as they are; tells every dangling reference", ("gaps", "import"),
               (Arg("PATH…", "path", True, "gap registers, loop files, gate registry, topology, capabilities"), _DRY, _JSON), _REGISTER),
    Capability("gaps.export", "read-only", "auto", "write the gaps as they stand, in the operator's own format", ("gaps", "export"),
               (Arg("--format", "choice", False, "yaml or markdown"), Arg("-o", "path", False, "a file that is not there yet")), ("stdout", "files")),
    Capability("loops.import", "mutating", "auto", "take in loop files as they are", ("loops", "import"),
               (Arg("PATH…", "path", True, "loop files, or directories of them"), _DRY, _JSON), _REGISTER),
    Capability("loops.export", "read-only", "auto", "write the loops as they stand: a table, or scope files", ("loops", "export"),
               (Arg("-o", "path", False, "a directory; existing files are refused"),), ("stdout", "files")),
    Capability("loops.status", "read-only", "auto", "how many loops there are, and every open one", ("loops", "status"),
               (Arg("--all", "flag", False, "closed loops too"), _JSON)),
    Capability("loops.show", "read-only", "auto", "one loop with the gaps it owns", ("loops", "show"), (_LOOP, _JSON)),
    Capability("loops.file", "mutating", "auto", "register a loop", ("loops", "file"),
               (_LOOP, Arg("--owner", "text", True, "who owns it"), Arg("--objective", "text", True, "what is to be reached"),
                Arg("--scope", "text", False, "what it is about"), Arg("--severity", "choice", False, "critical, high, medium or low"),
                Arg("--parent", "text", False, "the loop above it")), _REGISTER),
    Capability("loops.claim", "mutating", "auto", "work on a loop alone, for some hours", ("loops", "claim"),
               (_LOOP, Arg("--hours", "text", False, "how long, 8 when absent")), _REGISTER),
    Capability("loops.release", "mutating", "auto", "give a claimed loop back", ("loops", "release"), (_LOOP,), _REGISTER),
    Capability("loops.reparent", "mutating", "auto", "put a loop below another", ("loops", "reparent"),
               (_LOOP, Arg("--to", "text", True, "a loop, or none"), _REASON), _REGISTER),
    Capability("loops.close", "mutating", "auto", "close a loop whose gaps and loops are settled", ("loops", "close"),
               (_LOOP, Arg("--run", "text", False, "the verify run that proves it"), _REASON), _REGISTER),
    Capability("wave.list", "read-only", "auto", "the waves of the workspace and where they stand", ("wave", "list"), (_JSON,)),
    Capability("wave.show", "read-only", "auto", "one wave: goal, scope, links, gates, steps", ("wave", "show"),
               (Arg("WAVE", "text", True, "a wave id"), _JSON)),
    Capability("wave.dispatch", "mutating", "auto", "give a wave to a worker: prompt, baseline, time limit", ("wave", "dispatch"),
               (Arg("WAVE", "text", True, "a wave id"), Arg("--to", "text", True, "the worker, as its WAVEBOARD_ACTOR says"),
                Arg("--hours", "text", False, "how long it may apply"), Arg("-o", "path", False, "write the prompt here"), _JSON),
               ("prompt", "evidence", "receipt")),
    Capability("wave.recall", "mutating", "auto", "take a wave back from its worker", ("wave", "recall"),
               (Arg("WAVE", "text", True, "a wave id"),), ("receipt",)),
    Capability("wave.report", "read-only", "auto", "judge a worker's report against what is observed", ("wave", "report"),
               (Arg("WAVE", "text", True, "a wave id"), Arg("FILE", "path", False, "the report (EXEC_RECEIPT); - for stdin"),
                Arg("--template", "flag", False, "print a report to fill in"), _JSON), ("evidence", "receipt")),
    Capability("wave.plan", "read-only", "auto", "plan a wave from a fresh audit", ("plan",),
               (Arg("WAVE", "text", True, "a wave id"), Arg("-o", "path", False, "write the plan here"), _EVIDENCE, _JSON), ("plan", "receipt")),
    Capability("wave.approve", "mutating", "manual", "sign a plan's digest with an SSH key; people only", ("approve",),
               (_PLAN, Arg("--key", "path", True, "SSH private key, or public key of one held by the agent"),
                Arg("--as", "text", True, "the principal, as allowed_signers names it")), ("approval", "receipt")),
    Capability("wave.apply", "mutating", "manual", "carry out an approved plan, or resume it", ("apply",), (_PLAN,), ("journal", "receipts")),
    Capability("wave.undo", "mutating", "manual", "take a wave back under its own approval", ("undo",), (_PLAN,), ("journal", "receipts")),
    Capability("wave.settle", "mutating", "manual", "lead a halted plan out by a person's signed word on its unresolved steps", ("settle",),
               (_PLAN, Arg("--done", "text", False, "a step that is done; may be repeated"), Arg("--undone", "text", False, "a step of which nothing is left"),
                Arg("--key", "path", True, "SSH private key, or public key of one held by the agent"),
                Arg("--as", "text", True, "the principal, as allowed_signers names it")), ("journal", "receipts")),
    Capability("wave.retire", "read-only", "auto", "plan the removal of what a wave set aside", ("retire",),
               (_PLAN, Arg("-o", "path", False, "write the plan here"), _JSON), ("plan", "receipt")),
    Capability("wave.open", "mutating", "auto", "open a wave that changes no host; pins its goalposts", ("wave", "open"),
               (Arg("WAVE", "text", True, "a wave id"), _JSON), ("evidence", "receipt")),
    Capability("wave.end", "read-only", "auto", "close a wave by its id, with its closeout receipt", ("wave", "close"),
               (Arg("WAVE", "text", True, "a wave id"), _JSON), ("evidence", "receipt")),
    Capability("pack.promote", "read-only", "auto", "report to enforce: recommendation, and the plan to sign", ("promote",),
               (Arg("PACK", "text", True, "a pack of packs.yaml"), Arg("-o", "path", False, "write the plan here"), _JSON), ("plan", "receipt")),
    Capability("wave.close", "read-only", "auto", "exit gates on a fresh audit, and the closeout receipt", ("close",), (_PLAN, _JSON), ("receipt",)),
    Capability("infra.vm.bootstrap", "read-only", "auto", "plan what makes a VM as its contracts ask, a restart last", ("vm", "bootstrap"),
               (Arg("HOST", "text", True, "a VM of the contracts"), Arg("-o", "path", False, "write the plan here"), _JSON), ("plan", "receipt")),
    Capability("infra.vm.ready.status", "read-only", "auto", "is a VM as its contracts ask, by every storage rule", ("vm", "ready"),
               (Arg("HOST", "text", True, "a VM of the contracts"), Arg("--wait", "flag", False, "ask again until it is ready"),
                Arg("--timeout", "text", False, "seconds to wait at most"), _EVIDENCE, _JSON), ("evidence", "receipt")),
    Capability("host.adopt", "read-only", "auto", "draft a first contract for an existing host, each violation a dated waiver proposal", ("adopt",),
               (Arg("HOST", "text", True, "a host of the contracts"), Arg("--evidence", "path", False, "draft from this bundle; read no host"),
                Arg("-o", "path", False, "a new directory for the drafts"), Arg("--vmid", "text", False, "its hypervisor's number for it"),
                Arg("--tier", "choice", False, "where its data belongs"), Arg("--data-disk", "text", False, "the serial of its data disk"),
                Arg("--mount", "path", False, "where that disk belongs"), Arg("--days", "text", False, "how long the proposals run"), _JSON),
               ("evidence", "receipt", "files")),
    Capability("vm.kit", "read-only", "auto", "the script that lets waveboard read and change a host; a person runs it there", ("vm", "kit"),
               (Arg("HOST", "text", True, "a host of the contracts"), Arg("--remove", "flag", False, "the script that takes it away again"))),
    Capability("vm.parity", "read-only", "auto", "who enforces each storage rule at each stage", ("parity",), (_JSON,)),
    Capability("wave.status", "read-only", "auto", "plans, steps, leases", ("status",), (_JSON,)),
    Capability("board.show", "read-only", "auto", "where everything stands now", ("board", "show"),
               (Arg("--watch", "text", False, "show again every so many seconds"), _JSON)),
    Capability("board.render", "read-only", "auto", "the board as a document", ("board", "render"),
               (Arg("--format", "choice", False, "markdown"), Arg("-o", "path", False, "write it here"))),
    Capability("board.import", "read-only", "auto", "read a markdown board into a draft workspace", ("board", "import"),
               (Arg("FILE", "path", True, "the board"), Arg("-o", "path", True, "a new directory")), ("files",)),
    Capability("receipts.show", "read-only", "auto", "list receipts, or print one", ("receipts", "show"),
               (Arg("WHICH", "text", False, "a number, or a name such as WAVE8B_ORCHESTRATION_RECEIPT"), _JSON)),
    Capability("receipts.verify", "read-only", "auto", "verify every receipt and the chain", ("receipts", "verify"),
               (Arg("DIR", "path", False, "an exported directory; the workspace's own when absent"), _JSON)),
    Capability("receipts.export", "read-only", "auto", "write receipts, keys and approvals for a stranger to verify", ("receipts", "export"),
               (Arg("DIR", "path", True, "where to"),), ("files",)),
    Capability("cap.list", "read-only", "auto", "list the capabilities", ("cap", "list"), (_JSON,)),
    Capability("cap.explain", "read-only", "auto", "what one capability does, needs and leaves behind", ("cap", "explain"),
               (Arg("NAME", "text", True, "a capability"), _JSON)),
    Capability("cap.run", "read-only", "auto", "run a capability by name; it keeps its own safety and approval", ("cap", "run"),
               (Arg("NAME", "text", True, "a capability"), Arg("ARGS…", "text", False, "after --")), ("receipt",)),
    Capability("infra.vm.provision", "read-only", "auto", "plan the making of a VM on its hypervisor; approve and apply carry it out",
               ("vm", "provision"), (Arg("HOST", "text", True, "a VM of the lifecycle contract"), Arg("-o", "path", False, "write the plan here"),
                Arg("--disposable", "flag", False, "undo may remove its data disk too"), _JSON), ("plan", "receipt")),
    Capability("infra.vm.prove", "mutating", "manual", "prove what makes VMs: a probe is made, set up, judged and taken away, as far as people sign",
               ("vm", "prove"), (Arg("HOST", "text", True, "a VM of the contracts"), Arg("-o", "path", False, "where plans to sign are written"),
                Arg("--keep", "flag", False, "leave the probe"), Arg("--timeout", "text", False, "seconds it may take to become ready"), _JSON),
               ("plan", "journal", "receipts")),
    Capability("lab.up", "mutating", "auto", "bring the lab's two hosts up", ("lab", "up")),
    Capability("lab.down", "mutating", "auto", "take the lab away, leaving nothing", ("lab", "down")),
    Capability("lab.reset", "mutating", "auto", "back to the drifted state", ("lab", "reset")),
    Capability("lab.status", "read-only", "auto", "what the lab runs", ("lab", "status"), (_JSON,)),
    Capability("lab.ssh", "mutating", "auto", "a root shell on a lab host", ("lab", "ssh")),
    Capability("lab.install", "mutating", "auto", "put the checkout's hand and reader on the lab's hosts", ("lab", "install")),
    Capability("lab.reboot", "mutating", "auto", "reboot a lab host", ("lab", "reboot"), (Arg("HOST", "text", True, "a lab host"),)),
    Capability("lab.power-cut", "mutating", "auto", "kill a lab host at once", ("lab", "power-cut"),
               (Arg("HOST", "text", True, "a lab host"),)),
    Capability("lab.image", "mutating", "auto", "make a directory a place for local QEMU VMs", ("lab", "image"),
               (Arg("DIRECTORY", "path", True, "where VMs will live"),), ("files",)),
    Capability("lab.demo", "mutating", "auto", "the main job on the lab's hosts, start to finish", ("lab", "demo")),
)
# fmt: on


def named(name: str) -> Capability:
    """The capability of that name. Raises: UsageError with the nearest names."""
    found = next((c for c in CAPABILITIES if c.name == name), None)
    if found is None:
        near = [c.name for c in CAPABILITIES if name.split(".")[0] in c.name] or [c.name for c in CAPABILITIES]
        raise UsageError(f"run {name}", "there is no such capability", f"one of: {', '.join(near)}")
    return found
