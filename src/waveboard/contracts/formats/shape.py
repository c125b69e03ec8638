"""What every format shares: how strict it is, and the spelling of names, paths and numbers. Knows no format.

Own: a file only waveboard reads, so an unknown key is an error. Operator: a file that others write and read too, so an unknown
key is only told (`unread-key`). Doc marks what describes and is meant for people; Unread marks a rule that nothing here reads.
"""

import re
from pathlib import PurePosixPath
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints
from pydantic_core import PydanticCustomError

Doc = Any  # describes; read by people only
_STRICT = ConfigDict(strict=True, frozen=True, allow_inf_nan=False)


class Own(BaseModel):
    """A mapping in one of waveboard's own files."""

    model_config = ConfigDict(**_STRICT, extra="forbid")


class Operator(BaseModel):
    """A mapping in one of the operator's files."""

    model_config = ConfigDict(**_STRICT, extra="allow")


class OperatorFile(Operator):
    """One of the operator's files as a whole: what stands at its head describes it."""

    version: Doc = None
    updated: Doc = None
    updated_at: Doc = None
    last_verified: Doc = None
    owner: Doc = None
    status: Doc = None
    scope: Doc = None
    notes: Doc = None


class Free(BaseModel):
    """A mapping in one of the operator's registers: keys not named here are for other readers, and are not even told."""

    model_config = ConfigDict(**_STRICT, extra="allow")


class Unread:
    """Marks a known key that asks for something nothing here judges. why: said in the warning."""

    def __init__(self, why: str) -> None:
        self.why = why


Ignored = Annotated[Any, Unread("nothing here reads it")]


def _listed(value: object) -> object:
    return [value] if isinstance(value, str) else value


def _number(value: object) -> object:
    return int(value) if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 10 else value


def _path(value: str) -> str:
    parts = value.split("/")
    if ".." in parts or "//" in value or "." in parts:
        raise ValueError("a path must be written without `..`, `.` or `//`")
    return value if value == "/" else value.rstrip("/")


def _off_boot(value: str) -> str:
    if value in ("/", "/efi") or f"{value}/".startswith("/boot/"):
        said = "the boot disk is mounted here; name the mount point of the data disk, or leave the key out where there is none"
        raise ValueError(said)
    return value


def _inside(value: str) -> str:
    if value.startswith(("/", "~")) or "\\" in value:
        raise PydanticCustomError("outside_workspace", "this leads out of the workspace; name a path relative to waveboard.yaml")
    if ".." in value.split("/"):
        raise PydanticCustomError("outside_workspace", "this leads out of the workspace through `..`")
    return PurePosixPath(value).as_posix()


def _once(value: list[str]) -> list[str]:
    twice = sorted({item for item in value if value.count(item) > 1}) if len(value) < 2000 else []
    if twice:
        raise ValueError(f"listed twice: {', '.join(twice)}")
    return value


Once = AfterValidator(_once)  # for lists in which a second mention would count double
Text = Annotated[str, StringConstraints(min_length=1, max_length=10_000)]
HostId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$")]
UserName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_.-]{0,31}$")]
Address = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9:][A-Za-z0-9.:_-]{0,252}$")]
Container = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$")]
ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
Id = Annotated[str, StringConstraints(pattern=f"^{ID.pattern}$")]
AbsPath = Annotated[str, StringConstraints(pattern=r"^/[^\x00-\x1f\x7f]{0,4000}$"), AfterValidator(_path)]
DataMount = Annotated[AbsPath, AfterValidator(_off_boot)]
WorkspacePath = Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f\x7f]{1,4000}$"), AfterValidator(_inside)]
Paths = Annotated[list[WorkspacePath], BeforeValidator(_listed, json_schema_input_type=str | list[str]), Field(min_length=1)]
VmId = Annotated[int, BeforeValidator(_number, json_schema_input_type=int | str), Field(ge=1, le=999_999_999)]
Percent = Annotated[float, Field(ge=0, le=100)]
Gigabytes = Annotated[float, Field(gt=0, le=1_000_000)]
Megabytes = Annotated[float, Field(gt=0, le=1_000_000_000)]
EnvName = Annotated[str, StringConstraints(pattern=r"^[A-Z][A-Z0-9_]{0,63}$")]
Port = Annotated[int, Field(ge=1, le=65_535)]
LoosePort = Annotated[int, BeforeValidator(_number, json_schema_input_type=int | str), Field(ge=1, le=65_535)]
