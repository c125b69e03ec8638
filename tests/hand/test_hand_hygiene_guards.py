"""What the hand refuses in the middle of a hygiene step: the engine is scripted, the verbs are the hand's own. Real engines: tests/lab."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from tests.hand.room import hand

OLD, NEW = "sha256:" + "a" * 64, "sha256:" + "b" * 64
ONE, TWO, THREE = "record0001", "record0002", "record0003"


class Scripted:
    """An engine's images, build cache and containers. before: what somebody else does right before a removal."""

    def __init__(self) -> None:
        self.images = {OLD: ["mint/app:1"], NEW: ["mint/app:2"]}
        self.cache: dict[str, dict[str, Any]] = {ONE: {}, TWO: {" Parents": [ONE]}, THREE: {}}
        self.digests: dict[str, list[str]] = {}
        self.used: list[dict[str, Any]] = []
        self.before: Callable[[], None] = lambda: None
        self.also: tuple[str, ...] = ()  # records it removes beside the one it is asked for
        self.sent: list[tuple[str, str]] = []

    def engine(self, method: str, path: str, query: Mapping[str, str] | None = None, *, seconds: float = 0) -> tuple[int, Any]:
        if method != "GET":
            self.sent.append((method, path))
        if path == "/images/json":
            told = self.images.items()
            return 200, [{"Id": one, "RepoTags": tags, "RepoDigests": self.digests.get(one)} for one, tags in told]
        if path == "/system/df":
            return 200, {"BuildCache": [{"ID": one, **more} for one, more in self.cache.items()]}
        if path == "/build/prune":
            assert query
            name = query["filters"].split("^")[1].split("$")[0]
            rests = any(name in more.get(" Parents", ()) for more in self.cache.values())
            gone = [one for one in (name, *self.also) if not rests and self.cache.pop(one, None) is not None]
            return 200, {"CachesDeleted": gone, "SpaceReclaimed": 1}
        name = path.removeprefix("/images/").removesuffix("/json")
        found = next((one for one, tags in self.images.items() if name in (one, *tags)), "")
        if method == "GET":
            return 200, {"Id": found}
        assert query == {"force": "0", "noprune": "1"}
        if name != found and len(self.images[found]) > 1:
            self.images[found].remove(name)
        else:
            del self.images[found]
        return 200, [{"Deleted": name}]


class Step:
    """What a verb is told of its step, as the hand's own Ctx tells it."""

    def __init__(self, args: Mapping[str, Any], engine: Scripted) -> None:
        self.args, self.engine, self.step = args, engine, {"limit_s": 60, "id": "s1"}
        self.notes: dict[str, Any] = {}

    def note(self, **more: Any) -> None:
        if "removing" in more:  # the last thing that is written down before the engine is asked to remove
            self.engine.before()
        self.notes |= more

    def phase(self, name: str, **more: Any) -> None:
        if name == "remove":
            self.engine.before()

    def record(self, kind: str, detail: Mapping[str, Any]) -> None: ...


@pytest.fixture
def scripted(monkeypatch: pytest.MonkeyPatch) -> Scripted:
    made = Scripted()
    monkeypatch.setattr(hand, "engine", made.engine)
    monkeypatch.setattr(hand, "containers", lambda: made.used)
    return made


def cache(scripted: Scripted, *records: str) -> Any:
    return hand.CacheRemove().do(Step({"records": list(records)}, scripted))


def images(scripted: Scripted, **more: Any) -> Any:
    one = {"id": OLD, "tags": ["mint/app:1"], "digests": [], "bytes": 5, **more}
    return hand.ImageRemove().do(Step({"images": [one], "save_to": None}, scripted))


def test_listed_records_go_and_no_other(scripted: Scripted) -> None:
    told = cache(scripted, TWO, ONE)
    assert set(scripted.cache) == {THREE} and told["removed"] == [ONE, TWO] and told["gone_already"] == []


def test_a_record_the_engine_renamed_is_gone_already_and_its_successor_stays(scripted: Scripted) -> None:
    scripted.cache = {"record0009": {}, "record0010": {" Parents": ["record0009"]}}
    assert cache(scripted, ONE)["gone_already"] == [ONE]
    assert set(scripted.cache) == {"record0009", "record0010"} and scripted.sent == []


@pytest.mark.parametrize("key", ["Parents", " Parents"])
def test_a_record_below_one_that_is_not_listed_is_refused_before_anything_goes(scripted: Scripted, key: str) -> None:
    scripted.cache[THREE] = {key: [ONE]}
    with pytest.raises(hand.Refused, match=f"{THREE}, which the plan does not list, was built on it since"):
        cache(scripted, TWO, ONE)
    assert set(scripted.cache) == {ONE, TWO, THREE} and scripted.sent == []


def test_a_record_in_use_is_refused_before_anything_goes(scripted: Scripted) -> None:
    scripted.cache[ONE] = {"InUse": True}
    with pytest.raises(hand.Refused, match="a build uses it"):
        cache(scripted, TWO, ONE)
    assert scripted.sent == []


def test_a_record_built_on_between_the_look_and_its_removal_stays(scripted: Scripted) -> None:
    scripted.cache = {ONE: {}}
    scripted.before = lambda: scripted.cache.update({THREE: {" Parents": [ONE]}})
    with pytest.raises(hand.Refused, match="something still rests on it"):
        cache(scripted, ONE)
    assert ONE in scripted.cache


def test_an_engine_that_removes_more_than_the_one_record_fails_the_step(scripted: Scripted) -> None:
    scripted.also = (THREE,)
    with pytest.raises(hand.Refused, match=f"the engine removed {THREE}"):
        cache(scripted, TWO)


def test_a_listed_image_goes_with_all_its_names_and_no_other(scripted: Scripted) -> None:
    scripted.images[OLD] = ["mint/app:1", "mint/app:old"]
    told = images(scripted, tags=["mint/app:1", "mint/app:old"])
    assert set(scripted.images) == {NEW} and told["removed"] == [OLD]


@pytest.mark.parametrize("state", ["running", "exited", "created"])
def test_an_image_any_container_uses_is_refused(scripted: Scripted, state: str) -> None:
    scripted.used = [{"Name": "/late", "Image": OLD, "State": {"Status": state}}]
    with pytest.raises(hand.Refused, match=rf"container late \({state}\) uses it"):
        images(scripted)
    assert OLD in scripted.images and scripted.sent == []


def test_an_image_that_comes_into_use_after_the_look_is_refused(scripted: Scripted) -> None:
    scripted.before = lambda: scripted.used.append({"Name": "/late", "Image": OLD, "State": {"Status": "created"}})
    with pytest.raises(hand.Refused, match="container late"):
        images(scripted)
    assert OLD in scripted.images and scripted.sent == []


def test_an_image_is_not_called_pullable_by_a_digest_it_does_not_have(scripted: Scripted) -> None:
    listed, invented = f"mint/app@{NEW}", f"mint/app@{OLD}"
    scripted.digests = {OLD: [listed]}
    with pytest.raises(hand.Refused, match=f"the engine knows no {invented} of it"):
        images(scripted, digests=[listed, invented])
    assert scripted.sent == []
    assert images(scripted, digests=[listed])["removed"] == [OLD]


@pytest.mark.parametrize("tags", [[], ["mint/app:1", "mint/app:kept"], ["mint/app:9"]])
def test_an_image_with_other_names_than_planned_is_refused(scripted: Scripted, tags: list[str]) -> None:
    scripted.images[OLD] = tags
    with pytest.raises(hand.Refused, match="not as planned"):
        images(scripted)
    assert scripted.sent == []


def test_a_name_that_moved_on_right_before_the_removal_stays_where_it_is(
    scripted: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    scripted.images[OLD] = ["mint/app:1", "mint/app:old"]
    listed, told = scripted.engine, []

    def engine(method: str, path: str, query: Mapping[str, str] | None = None, *, seconds: float = 0) -> tuple[int, Any]:
        if path == "/images/mint/app:old/json":
            told.append(path)
            return 200, {"Id": NEW}
        return listed(method, path, query, seconds=seconds)

    monkeypatch.setattr(hand, "engine", engine)
    with pytest.raises(hand.Refused, match="mint/app:old names another image now"):
        images(scripted, tags=["mint/app:1", "mint/app:old"])
    assert told and scripted.sent == []


def test_what_comes_back_after_its_removal_is_told(scripted: Scripted, monkeypatch: pytest.MonkeyPatch) -> None:
    real = scripted.engine

    def engine(method: str, path: str, query: Mapping[str, str] | None = None, *, seconds: float = 0) -> tuple[int, Any]:
        return (200, []) if method == "DELETE" else real(method, path, query, seconds=seconds)

    monkeypatch.setattr(hand, "engine", engine)
    with pytest.raises(hand.Refused, match="came back"):
        images(scripted)
