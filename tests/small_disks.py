"""Small real file systems, and ways to use up what they have: blocks, inodes, or a process's descriptors."""

import contextlib
import os
import resource
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

SPARE_INODES = 1500


@contextmanager
def mounted(kind: str, folder: Path, megabytes: int, inodes: int = SPARE_INODES) -> Iterator[None]:
    """Mount a small file system at a folder, which keeps its files; skips the test where that is not possible."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small disk")
    saved = folder.with_name(f"{folder.name}-saved")
    folder.rename(saved)
    folder.mkdir()
    image = folder.with_name("disk.img")
    if kind == "tmpfs":
        command = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m,nr_inodes={inodes}", "tmpfs", str(folder)]
    else:
        image.write_bytes(b"")
        os.truncate(image, megabytes * 1024 * 1024)
        # no blocks kept back for root
        subprocess.run(["mkfs.ext4", "-q", "-F", "-m", "0", "-N", str(inodes), str(image)], check=True)
        command = ["mount", "-o", "loop", str(image), str(folder)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"this machine cannot mount a small {kind}: {done.stderr.strip()}")
    try:
        subprocess.run(["cp", "-r", f"{saved}/.", str(folder)], check=True)
        yield
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def use_up_blocks(folder: Path) -> None:
    """Fill the file system of a folder to the last block."""
    handle = os.open(folder / "ballast", os.O_WRONLY | os.O_CREAT)
    with contextlib.suppress(OSError):
        while True:
            os.write(handle, bytes(4096))
            os.fsync(handle)
    os.close(handle)


def use_up_inodes(folder: Path) -> None:
    """Take every inode of the file system of a folder."""
    place = folder / "ballast"
    place.mkdir()
    with contextlib.suppress(OSError):
        for number in range(1_000_000):
            (place / str(number)).touch()


def use_up_descriptors(pid: int) -> None:
    """Let a process open no further file."""
    taken = {int(name) for name in os.listdir(f"/proc/{pid}/fd")}
    lowest_free = next(number for number in range(len(taken) + 1) if number not in taken)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (lowest_free, lowest_free))


def make_room(folder: Path) -> None:
    """Undo `use_up_blocks` or `use_up_inodes`."""
    subprocess.run(["rm", "-rf", str(folder / "ballast")], check=True)
