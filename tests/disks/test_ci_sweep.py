"""What a run of CI left behind because its tests were killed goes all the same, and nothing that is not its own."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

SWEEP = Path(__file__).parents[2] / ".ci" / "sweep"

pytestmark = [pytest.mark.disks, pytest.mark.skipif(os.geteuid() != 0, reason="loop devices need root")]


def looped_files() -> set[str]:
    listed = subprocess.run(["losetup", "-nlO", "NAME,BACK-FILE"], capture_output=True, text=True, check=True).stdout
    return {line.partition(" ")[2].strip() for line in listed.splitlines()}


def looped(image: Path) -> str:
    image.parent.mkdir(parents=True)
    with image.open("wb") as file:
        file.truncate(1 << 20)
    return subprocess.run(["losetup", "-f", "--show", image], capture_output=True, text=True, check=True).stdout.strip()


@pytest.fixture
def neighbour(tmp_path: Path) -> Iterator[Path]:
    """A loop over an image that is somebody else's, though its directory's name begins like ours."""
    image = tmp_path / "run-of-another" / "disk.img"
    device = looped(image)
    yield image
    subprocess.run(["losetup", "-d", device], check=True)


@pytest.mark.parametrize("obeys", [True, False])
def test_processes_loops_and_files_of_the_run_go_and_no_others(tmp_path: Path, neighbour: Path, obeys: bool) -> None:
    run = tmp_path / "run"
    image = run / "disks 0" / "boot.img"
    looped(image)
    assert {str(image), str(neighbour)} <= looped_files()
    words = ["sleep", "600"] if obeys else ["sh", "-c", "trap '' TERM; while :; do sleep 1; done"]
    ours = subprocess.Popen(words, env={**os.environ, "TMPDIR": str(run)}, start_new_session=True)
    other = subprocess.Popen(["sleep", "600"], env={**os.environ, "TMPDIR": f"{run}-of-another"})
    try:
        done = subprocess.run([SWEEP, run], env={**os.environ, "TMPDIR": str(run)}, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")
        assert ours.wait(10) < 0
        assert other.poll() is None
        assert not run.exists()
        left = looped_files()
        assert not [file for file in left if file.startswith(str(run) + "/")]
        assert str(neighbour) in left
    finally:
        for process in (ours, other):
            process.kill()
            process.wait()


def test_a_directory_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    assert subprocess.run([SWEEP, tmp_path / "none"], capture_output=True, check=False).returncode == 1
