"""One compose service as a step edits it: where it stands, its file as the steps before leave it, and what the hand is told of both."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from waveboard.model.errors import RefusedError
from waveboard.model.facts import Container
from waveboard.waves.compose_edit import Edit, applied
from waveboard.waves.kind import Outlook


@dataclass(frozen=True, slots=True)
class Composed:
    """outlook: the host when this step's turn comes; file: the one compose file that made the container."""

    outlook: Outlook
    project: str
    service: str
    file: str

    @property
    def lines(self) -> tuple[str | None, ...]:
        """The file's lines, edits of earlier steps in them. Raises: RefusedError when the audit did not read it."""
        return (self.outlook.edits or {}).get(self.file) or self.outlook.file(self.file).lines

    def args(self, edits: Sequence[Edit]) -> dict[str, object]:
        """The part of a step's args that names the service and its edits (docs/hand.md)."""
        return {
            "project": self.project,
            "service": self.service,
            "compose_file": self.file,
            "compose_before_sha256": self.outlook.file(self.file).digest,
            "compose_edited_by": (self.outlook.edited_by or {}).get(self.file),
            "compose_edits": [dict(e) for e in edits],
        }

    def up(self, how: str = "-d") -> str:
        """The command that makes the container anew from the file, and nothing else."""
        return f"docker compose -p {self.project} -f {self.file} up {how} --no-deps --no-build --pull never {self.service}"

    def after(self, edits: Sequence[Edit], step: str) -> Outlook:
        """The outlook once that step has made the edits."""
        known, known_by = self.outlook.edits or {}, self.outlook.edited_by or {}
        return replace(
            self.outlook,
            edits={**known, self.file: applied(self.lines, edits)},
            edited_by={**known_by, self.file: step},
        )


def composed(outlook: Outlook, container: Container) -> Composed:
    """Raises: RefusedError unless exactly one compose file made the container."""
    labels: Mapping[str, str] = container.labels
    project, service = labels.get("com.docker.compose.project", ""), labels.get("com.docker.compose.service", "")
    files = [f for f in labels.get("com.docker.compose.project.config_files", "").split(",") if f]
    if not project or not service or len(files) != 1:
        raise RefusedError(
            f"plan the move of {container.name}",
            "it is not a service of exactly one compose file",
            "bring it under one compose file; recipes of plain `docker run` are not rebuilt by guesswork",
        )
    return Composed(outlook, project, service, files[0])
