"""A markdown wave board -> files of a draft workspace: front matter, wave map, entry and exit gates, prompts. Invents nothing.

What it cannot turn into a condition that a machine judges stays in the file as a comment and is told with its line; every wave is a
draft until a person has read it. Run keys that the board quotes are claims, not receipts: they are counted and told.
"""

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field

import yaml

from waveboard.contracts import board_rendered as rendered
from waveboard.contracts.board_text import Line, Part, bullets, fenced, front_matter, parts, table
from waveboard.contracts.formats.shape import ID
from waveboard.contracts.text import CONTRACT, decode
from waveboard.model.contract import Place
from waveboard.model.errors import ContractError

_RUN_KEY = re.compile(r"\bCAP-[0-9]{8}-[0-9]{6}__[A-Za-z0-9._-]+__R[A-Za-z0-9]+")
_VM = re.compile(r"\bVM ?([0-9]{1,9})\b(?: \(([A-Za-z0-9][A-Za-z0-9.-]*)\))?")
_PACK = re.compile(r"verify\.pack\.run ([A-Za-z0-9._-]+)")
_SECTION = re.compile(r"(\S+) (entry|exit|promote criteria)", re.IGNORECASE)
_PROMPT = re.compile(r"Prompt: (\S+)")
_MAY, _ONLY = "may change", "read only"  # columns of a rendered wave map
_APART = re.compile(r"no overlap between ([A-Za-z0-9/, ]+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Note:
    """What a person must settle, and where the board says it."""

    place: Place
    message: str


@dataclass(frozen=True, slots=True)
class Draft:
    """Files by path, and what they hold. notes: everything that did not become more than a comment."""

    files: Mapping[str, str]
    waves: tuple[str, ...]
    gaps: tuple[str, ...]
    loops: tuple[str, ...]
    notes: tuple[Note, ...]


@dataclass(slots=True)
class _Wave:
    """One wave while it is being gathered. comments: by section, sentences that are no condition."""

    row: Mapping[str, str]
    line: int
    entry: list[object] = field(default_factory=list)
    exit: list[object] = field(default_factory=list)
    comments: list[str] = field(default_factory=list)
    prompt: dict[str, list[str]] = field(default_factory=dict)


def draft(file: str, raw: bytes, gates: Collection[str]) -> Draft:
    """gates: those that exist; others the board names are left for later. Raises: ContractError when it is not text, or has no wave map."""
    text, complaints = decode(file, raw, CONTRACT)
    if complaints:
        raise ContractError("import the board", f"{complaints[0].place}: {complaints[0].message}", complaints[0].fix)
    return _Import(file, text, gates).made()


class _Import:
    """One board being read: what it says in many places is gathered by wave."""

    def __init__(self, file: str, text: str, gates: Collection[str]) -> None:
        self.file, self.text, self.gates = file, text, gates
        self.front, skip = front_matter(text)
        self.parts = tuple(parts(text, skip))
        self.notes: list[Note] = []
        self.hosts = {vm: name or f"vm-{vm}" for vm, name in sorted(_VM.findall(text))}  # the named mention of a VM sorts last
        self.packs = {name: pack for name, pack in rendered.packs(text).items() if ID.fullmatch(name)}
        self.pack = (_PACK.findall(text) or [*self.packs] or ["main"])[0]
        mapped = next((rows for part in self.parts if (rows := [*table(part)]) and "wave" in rows[0][1]), [])
        self.waves = {self._id(row["wave"], line): _Wave(row, line) for line, row in mapped if row["wave"]}

    def _id(self, cell: str, line: int) -> str:
        """A wave's id becomes the name of its file. Raises: ContractError for one that is none."""
        name = cell.strip(" *`_")
        if not ID.fullmatch(name):
            because = f"{self.file}:{line}: {cell!r} is no id of a wave"
            raise ContractError("import the board", because, "up to 64 letters, digits, `.`, `_` and `-`, like W8B")
        return name

    def made(self) -> Draft:
        if not self.waves:
            because = f"{self.file} has no table with a column `Wave`"
            raise ContractError("import the board", because, "its wave map must be a markdown table: Wave, Goal, STOR, Gap IDs …")
        for part in self.parts:
            self._part(part)
        for line, key in self._quoted():
            self._note(line, f"{key} is quoted; no receipt of this workspace has it, so it proves nothing here")
        gaps = tuple(dict.fromkeys(g for wave in self.waves.values() for g in _ids(_cell(wave.row, "gap"))))
        loops = tuple(dict.fromkeys(x for wave in self.waves.values() for x in _ids(_cell(wave.row, "loop"))))
        files = {"waveboard.yaml": self._workspace(), "ssh.targets.yaml": self._targets(), "packs.yaml": self._packs()}
        files |= {f"waves/{name}.yaml": self._wave(name, wave) for name, wave in self.waves.items()}
        files["operational.gaps.yaml"] = _yaml({"version": 1, "gaps": [_gap(g) for g in gaps]})
        files |= {f"loop-scopes/{loop}.scope.md": _loop(loop) for loop in loops}
        return Draft(files, tuple(self.waves), gaps, loops, tuple(sorted(self.notes, key=lambda n: n.place.line)))

    def _part(self, part: Part) -> None:
        if (section := _SECTION.fullmatch(part.title)) and section[1] in self.waves:
            wave, side = self.waves[section[1]], "entry" if section[2].lower() == "entry" else "exit"
            for said in bullets(part.lines):
                found = self._condition(said.text)
                if found is None:
                    wave.comments.append(f"{side}: {said.text}")
                    self._note(
                        said.number, f"`{said.text}` is no condition that a machine can judge; it is a comment of {section[1]}"
                    )
                else:
                    getattr(wave, side).append(found)
        elif (prompt := _PROMPT.match(part.title)) and prompt[1] in self.waves:
            self.waves[prompt[1]].prompt = _prompt(fenced(part))

    def _condition(self, said: str) -> object | None:
        """The condition a sentence means, where it is one of the few that waves are written with."""
        if (exact := rendered.condition(said)) is not None:
            return exact
        vm, low = _VM.search(said), said.lower()
        host = self.hosts[vm[1]] if vm else ""
        runs = re.search(r"\b([0-9]{1,2}) consecutive\b", low)
        gates = re.findall(r"\bD[0-9]{2,4}\b", said)
        if runs:
            return {"report_stable": {"pack": self.pack, "runs": int(runs[1])}}
        if "root usage" in low and host and re.search(r"\b(?:below|under|less than)\b", low):
            return f"{host}.root.used_pct < guard.root_usage_warn_pct"
        if "boot-backed" in low and host:
            return {"not_boot_backed": host}
        if "STOR-" in said and re.search(r"\b(?:mapped|linked)\b", low):
            return {"linkage_complete": _ids(said)}
        if "approval" in low and "operator" in low:
            return {"approval": "operator"}
        if "window" in low:
            return {"window_open": True}
        if "rollback" in low:
            return {"undo_ready": True}
        if _PACK.search(said) or (".." in said and len(gates) > 1 and "pass" in low):
            return {"pack_complete": self.pack}
        return {"gate_passes": {"gate": gates[0], "hosts": sorted(set(self.hosts.values()))}} if len(gates) == 1 else None

    def _wave(self, name: str, wave: _Wave) -> str:
        policy = _policy(_cell(wave.row, "policy"))
        scope = " ".join(wave.prompt.get("scope", []) + wave.prompt.get("rules", []))
        named = dict.fromkeys(self.hosts[vm] for vm, _ in _VM.findall(scope))
        still = {
            self.hosts[vm] for part in re.split(r"[.;]\s*", scope) if "read-only" in part.lower() for vm, _ in _VM.findall(part)
        }
        mutate = [h for h in named if h not in still and policy == "controlled-runtime"]
        only = [h for h in named if h not in mutate]
        if _MAY in wave.row:
            mutate, only = rendered.listed(wave.row[_MAY]), rendered.listed(wave.row.get(_ONLY, ""))
        value: dict[str, object] = {"schema": "waveboard.wave/1", "id": name, "goal": wave.row.get("goal") or name, "draft": True}
        value |= {"mutation_policy": policy, "scope": {"mutate": mutate, "read_only": only}}
        value["links"] = {
            noun: _ids(_cell(wave.row, word)) for noun, word in (("stor", "stor"), ("gaps", "gap"), ("loops", "loop"))
        }
        value |= {"excludes": apart} if (apart := self._apart(name)) else {}
        value |= {"entry": wave.entry} if wave.entry else {}
        value["exit"] = wave.exit or [{"pack_complete": self.pack}]
        if not wave.exit:
            self._note(wave.line, f"the board names no exit gate of {name} that a machine can judge: the pack alone closes it")
        value |= {key: wave.prompt[word] for key, word in (("rules", "rules"), ("outputs", "outputs")) if wave.prompt.get(word)}
        if wave.prompt:
            told = {
                "opening": " ".join(wave.prompt["opening"]),
                "scope": wave.prompt["scope"],
                "acceptance": wave.prompt["acceptance"],
            }
            value["worker"] = {key: text for key, text in told.items() if text}
        head = f"# Draft from {_comment(self.file)}: line {wave.line}. Read it, name its steps, then take `draft` out.\n"
        return head + "".join(f"# {_comment(c)}\n" for c in wave.comments) + _yaml(value)

    def _apart(self, name: str) -> list[str]:
        groups = (re.findall(r"[A-Za-z0-9]+", found) for found in _APART.findall(self.text))
        told = [other for group in groups if name in group for other in group if other != name]
        return [other for other in dict.fromkeys([*told, *rendered.beside(self.text).get(name, ())]) if other in self.waves]

    def _hosts(self) -> list[str]:
        """Those the board names; of a wave map that says which hosts a wave is about, no others than it and conditions name."""
        found = {host for wave in self.waves.values() for said in (*wave.entry, *wave.exit) for host in rendered.hosts_in(said)}
        found |= {
            host for wave in self.waves.values() for key in (_MAY, _ONLY) for host in rendered.listed(wave.row.get(key, ""))
        }
        found |= {host for pack in self.packs.values() for host in _texts(pack["hosts"])}
        return sorted(found if any(_MAY in wave.row for wave in self.waves.values()) else found | set(self.hosts.values()))

    def _workspace(self) -> str:
        name = self.front.get("scope", "").removesuffix("-wave-orchestration")
        value: dict[str, object] = {"schema": "waveboard/1", "name": name or "draft"}
        value |= {"owner": self.front["owner"]} if self.front.get("owner") else {}
        value["contracts"] = {"hosts": "ssh.targets.yaml", "gaps": "operational.gaps.yaml", "loops": "loop-scopes/*.scope.md"}
        return _yaml(value | {"packs": "packs.yaml", "waves": "waves/*.yaml", "store": "sqlite:///.waveboard/state.db"})

    def _targets(self) -> str:
        vms = {name: vm for vm, name in self.hosts.items()}
        targets = [{"id": h, "host": h, **({"description": f"VM {vms[h]}"} if h in vms else {})} for h in self._hosts()]
        return "# The board names these hosts; their addresses are yours to fill in.\n" + _yaml({"ssh": {"targets": targets}})

    def _packs(self) -> str:
        named = sorted(set(re.findall(r"\bD[0-9]{3}\b", self.text)))
        packs = self.packs or {self.pack: {"mode": "report", "hosts": self._hosts(), "gates": named}}
        return _yaml({"packs": {name: self._known(pack) for name, pack in packs.items()}})

    def _known(self, pack: Mapping[str, object]) -> dict[str, object]:
        """Gates that nobody knows here are left for later."""
        named = _texts(pack["gates"])
        later = [gate for gate in named if gate not in self.gates]
        return {**pack, "gates": [gate for gate in named if gate in self.gates], **({"later": later} if later else {})}

    def _quoted(self) -> Iterator[tuple[int, str]]:
        for number, line in enumerate(self.text.splitlines(), 1):
            yield from ((number, key) for key in _RUN_KEY.findall(line))

    def _note(self, line: int, message: str) -> None:
        self.notes.append(Note(Place(self.file, line), message))


def _texts(value: object) -> list[str]:
    return [str(one) for one in value] if isinstance(value, list) else []


def _cell(row: Mapping[str, str], word: str) -> str:
    return next((cell for head, cell in row.items() if word in head), "")


def _policy(said: str) -> str:
    low = said.lower()
    if "controlled" in low:
        return "controlled-runtime"
    return "governance" if "governance" in low else "none"


def _ids(said: str) -> list[str]:
    """Ids in order, short forms made whole: `STOR-001,002` and `STOR-001..003` name all of theirs."""
    found: list[str] = []
    prefix, width, last = "", 0, 0
    for match in re.finditer(r"(\.\.)?\s*(?:((?:[A-Z]+-)+)?([0-9]{2,9})(?![0-9])|([A-Z]+(?:-[A-Z0-9]+)+))", said):
        if match[4]:
            found.append(match[4])
            continue
        number = int(match[3])
        prefix, width = match[2] or prefix, len(match[3]) if match[2] else width
        if prefix:
            span = range(last + 1, number + 1) if match[1] and 0 < number - last <= 500 else (number,)
            found += [f"{prefix}{n:0{width}d}" for n in span]
            last = number
    return list(dict.fromkeys(found))


def _prompt(lines: tuple[Line, ...]) -> dict[str, list[str]]:
    """The prompt's blocks. What stands before the first heading of its own is the opening."""
    heads = {"scope": "scope", "rules": "rules", "required outputs": "outputs", "acceptance target": "acceptance"}
    found: dict[str, list[str]] = {name: [] for name in ("opening", *heads.values())}
    block = "opening"
    for line in lines:
        head = heads.get(line.text.strip().rstrip(":").lower())
        if head:
            block = head
        elif block == "opening":
            found[block] += [line.text.strip()] if line.text.strip() else []
        else:
            found[block] += [said.text for said in bullets((line,))]
    return found


def _gap(gap: str) -> dict[str, object]:
    return {
        "id": gap,
        "type": "missing-entry",
        "severity": "medium",
        "status": "open",
        "description": "Named by the imported board.",
    }


def _loop(loop: str) -> str:
    front = _yaml({"loop_id": loop, "status": "active", "objective": "Named by the imported board."})
    return f"---\n{front}---\n\n# {loop}\n"


def _comment(said: str) -> str:
    return " ".join(said.split())


def _yaml(value: object) -> str:
    return yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=120)
