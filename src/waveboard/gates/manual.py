"""The documentation of gates and kinds of check, made from them: docstrings, parameters and codes. Tests keep docs/ the same."""

from collections.abc import Iterator, Mapping

from waveboard.gates.gate import Gate
from waveboard.gates.kind import Kind

_HEAD = """\
# Gates

Made from the gates' own docstrings; `waveboard gates ID` prints the same. `waveboard gates --json` has every gate for programs
(`waveboard.gates/1`): severity, needs, codes, and in `modes` how each pack asks it, null outside a usable workspace. A gate
answers pass, fail, unknown, not-applicable or error. Findings beat doubts for the verdict, and a gate with any doubt leaves its
pack incomplete. A gate that misses its own seeded violation, speaks at the clean look-alike, or clears a host that told it nothing
votes error.

Exit codes of `waveboard verify`: 3 a gate in enforce mode failed · 5 something is unknown or in error · 2 findings · 0 clean; the
first that applies.
"""

_KINDS = """\
# Declared gates

A gate about documents is one YAML file and no code: `declared_gates:` of waveboard.yaml names the files, a pack lists their ids, and
`waveboard gates ID` explains one. docs/schemas/declared_gates.schema.json has the format. A gate that judges hosts is code:
docs/gates.md.

    schema: waveboard.gate/1
    id: D197
    title: calendar-provider-readonly
    severity: critical                      # critical, high, medium, low; a check may have its own
    ring: instant                           # one of `rings:` in packs.yaml: past its seconds the gate is cut and is unknown
    why: The calendar is read to plan work, and must not be changed by what reads it.
    fix: Empty the push list.
    needs:                                  # alias -> document
      sync: calendar.sync.contract.yaml     # below the workspace; yaml, json or text by its ending
      map: {root: workbench, path: map.sh, form: table, pattern: '^M\\[(?P<key>\\w+)\\]=(?P<value>.*)$'}
      notes: {root: workbench, path: 'docs/*.md'}
      flow: {command: [commands/flow-get, quotes], timeout_s: 20, limit_bytes: 65536, form: json}
    checks:
      - {kind: path_equals, says: nothing is pushed, doc: sync, path: runtime.sync.push, value: []}
    violations:                             # every run plants each in a copy of the documents it judges, and must see it
      - about: a calendar that is pushed to
        plant: [{doc: sync, append: {runtime.sync.push: planted}}]
        expect: [not-equal]
    lookalike:                              # planted as well, and nothing new may be said of it
      about: one more calendar that is read
      plant: [{doc: sync, append: {runtime.sync.pull: planted}}]

## What is seen

- **Files** lie below the workspace, or below a checkout that `siblings:` of waveboard.yaml names. A glob stands for all files it
  names, and each is checked. No link leads out. A `table` is a text that assigns values, read by a pattern with the groups `key`,
  `value` and perhaps `field`.
- **Commands** are run without a shell or terminal, in the workspace, with PATH, HOME and LANG and what `commands.pass_env` lends;
  each once a run, whichever gates need it. `commands.allow` names each by the exact path its argv begins with; nothing is allowed
  by itself. What it printed is a document after an exit code of `ok_exits` (0 where it is left out); its exit code counts always.
  Past `timeout_s` or `limit_bytes` it is killed with all it started, and is unknown. None is run when evidence is given.
- **Evidence.** Everything a run was given is kept as one object (`waveboard.papers/1`), named in the report (`documents`, `inputs`)
  and in the receipt. `waveboard receipts export` writes it; given with `--evidence` beside the bundles, the run is repeated
  without the files and without a command. Command answers older than the pack's `evidence_max_age_s` are unknown.

A document that is missing, unreadable, too large, ambiguous or not parsed whole is **unknown**, and so is a record of which it
cannot be said whether the rule is about it. A value that is not there where one is asked is a **failure**, at its place.

## Paths, records, sources

`a.b` is a key of a key, `"a.b"` one key with a dot, `s[3]` an item, `s[*]` every item of a list or value of a mapping, `s[id=x]`
the items whose `id` is `x`; the empty path is the whole document. A finding names a record by its `id` or `name`, else its number.

`where:` lists predicates on the record that the last `[*]` stands on, asked in order until one is false. Each has a `field` (a
path; `@key` is the record's key, `@value` a plain item) and one of `is`, `is_not`, `in`, `not_in`, `starts`, `contains`,
`matches` (found anywhere) and `present`. A field that is not there makes the record unknown; ask `present: true` before it where it
may be absent.

A source is a set of words: `{values: [...]}`; `{doc, path, where, take, optional}`, where lists count by their items, `take: key`
takes the records' keys and `optional: true` passes over records that lack the value; or `{doc, extract}`, the first group of a
pattern in a text.

## Kinds of check

Every check may have `says` (shown with its findings), `severity`, and a `name`, which becomes part of the subject of its findings: give
it where two checks of one kind may speak about one record.
"""


def render(gates: Mapping[str, Gate]) -> str:
    """The whole page."""
    return "\n".join([_HEAD, *(entry(gate) for gate in gates.values())])


def entry(gate: Gate) -> str:
    """One gate: title, reasons, policy, what it needs, its codes."""
    return "\n".join(_lines(gate)) + "\n"


def _lines(gate: Gate) -> Iterator[str]:
    title, _, rest = gate.doc.strip().partition("\n")
    yield from (f"## {title}", "", rest.strip(), "")
    yield f"Severity {gate.severity.value}. Needs: {', '.join(sorted(noun.__name__ for noun in gate.needs))}."
    yield from ("", "| code | says |", "|---|---|")
    yield from (f"| `{code}` | {says} |" for code, says in gate.codes.items())


def kinds_page(kinds: Mapping[str, Kind]) -> str:
    """docs/declared-gates.md."""
    return "\n".join([_KINDS, *("\n".join(_kind(kind)) + "\n" for kind in kinds.values())])


def _kind(kind: Kind) -> Iterator[str]:
    title, _, rest = kind.doc.strip().partition("\n")
    yield from (f"### {title}", "")
    if rest.strip():
        yield from (rest.strip(), "")
    needed = [f"`{name}`" for name, param in kind.params.items() if param.required]
    free = [f"`{name}`" for name, param in kind.params.items() if not param.required]
    takes = f" Takes {', '.join(free)}." if free else ""
    some = f" At least one of {', '.join(f'`{name}`' for name in kind.one_of)}." if kind.one_of else ""
    yield f"Needs {', '.join(needed)}.{takes}{some}"
    yield from ("", "| code | says |", "|---|---|")
    yield from (f"| `{code}` | {says} |" for code, says in kind.codes.items())
