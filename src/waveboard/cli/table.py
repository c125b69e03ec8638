"""Which command lives in which room of the door, with its one-line help. No imports: this is read at every start."""

from typing import NamedTuple


class Entry(NamedTuple):
    """where: `module:attribute` of the click command. summary: one line for --help."""

    where: str
    summary: str


COMMANDS: dict[str, Entry] = {
    "contracts": Entry("waveboard.cli.contracts:contracts", "check the workspace's contracts; export their JSON Schemas"),
    "audit": Entry("waveboard.cli.audit:audit", "read hosts without changing them; keep the evidence"),
    "where": Entry("waveboard.cli.where:where", "which disk a path or a container's path really lives on"),
    "verify": Entry("waveboard.cli.verify:verify", "judge a pack of gates on fresh or given evidence"),
    "gates": Entry("waveboard.cli.gates:gates", "list the gates, or explain one"),
    "findings": Entry("waveboard.cli.verify:findings", "the latest run's findings with their STOR, gap and loop links"),
    "session": Entry("waveboard.cli.session:session", "where things stand and what to do next, in ten lines"),
    "gaps": Entry("waveboard.cli.gaps:gaps", "the gap register: status, show, file, claim, fix, accept, close"),
    "loops": Entry("waveboard.cli.loops:loops", "the loops that own the gaps: status, show, file, claim, close"),
    "waivers": Entry("waveboard.cli.waivers:waivers", "findings that somebody answers for, and until when"),
    "wave": Entry("waveboard.cli.wave:wave", "list and show the waves of the workspace"),
    "board": Entry("waveboard.cli.board:board", "where everything stands: show it, render it as markdown, import one"),
    "plan": Entry("waveboard.cli.change:plan", "plan a wave: every step with its undo, before anything runs"),
    "approve": Entry("waveboard.cli.change:approve", "sign a plan's digest with an SSH key"),
    "settle": Entry("waveboard.cli.change:settle", "lead a halted plan out by a person's signed word"),
    "apply": Entry("waveboard.cli.change:apply", "carry out an approved plan, or resume it after a crash"),
    "undo": Entry("waveboard.cli.change:undo", "take a wave back, step by step"),
    "retire": Entry("waveboard.cli.change:retire", "plan the separate change set that gives the set-aside space back"),
    "promote": Entry(
        "waveboard.cli.change:promote", "from report to enforce: computed from the last runs, signed, byte-preserving"
    ),
    "close": Entry("waveboard.cli.change:close", "judge the exit gates on a fresh audit and write the closeout receipt"),
    "vm": Entry("waveboard.cli.vm:vm", "a VM from its contracts: provision it, bootstrap it, and is it ready"),
    "adopt": Entry("waveboard.cli.adopt:adopt", "a first contract for a host that is there already, as drafts"),
    "parity": Entry("waveboard.cli.vm:parity", "who enforces each storage rule at each stage of a VM's life"),
    "status": Entry("waveboard.cli.change:status", "where plans, leases and steps stand"),
    "receipts": Entry("waveboard.cli.receipts:receipts", "show, verify and export receipts"),
    "cap": Entry("waveboard.cli.cap:cap", "list, explain and run capabilities"),
    "lab": Entry("waveboard.cli.lab:lab", "real hosts on one machine: up, down, reset, demo"),
}
