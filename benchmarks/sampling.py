"""Watching a command: the memory of its whole process tree, its temporary files, and when its steps ended."""

import re
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

KINSHIP = Path(sys.executable).with_name("kinship")
STEP = re.compile(r"✓ (?P<name>.+?)\s+[\d.,]+ s$")


def resident(root: int) -> int:
    """Bytes resident in the process `root` and all its descendants, now."""
    children: dict[int, list[int]] = {}
    sizes: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                status = (entry / "status").read_text()
            except OSError:
                continue
            fields = dict(line.split(":", 1) for line in status.splitlines() if ":" in line)
            children.setdefault(int(fields["PPid"]), []).append(int(entry.name))
            sizes[int(entry.name)] = int(fields.get("VmRSS", "0 kB").split()[0]) * 1024
    tree, total = [root], 0
    while tree:
        process = tree.pop()
        total += sizes.get(process, 0)
        tree += children.get(process, [])
    return total


def allocated(folder: Path) -> int:
    """Bytes on disk below a folder whose files come and go."""
    total = 0
    for path in folder.rglob("*") if folder.exists() else ():
        try:
            total += path.stat().st_blocks * 512
        except OSError:
            continue
    return total


def size_of(folder: Path) -> int:
    """Bytes of the files below a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


@dataclass
class Samples:
    """Moments (seconds since 1970) with the bytes resident and the bytes in temporary files then."""

    at: list[tuple[float, int, int]] = field(default_factory=list)

    def between(self, begun: float, ended: float) -> tuple[int, int]:
        """The largest of each between two moments."""
        inside = [(resident, spilled) for at, resident, spilled in self.at if begun <= at <= ended]
        return max((each[0] for each in inside), default=0), max((each[1] for each in inside), default=0)


@contextmanager
def sampled(process: int, folders: Sequence[Path] = (), every: float = 0.5) -> Iterator[Samples]:
    """Sample the tree of a process and what lies in folders of temporary files, every so many seconds."""
    samples, done = Samples(), threading.Event()

    def watch() -> None:
        while not done.wait(every):
            samples.at.append((time.time(), resident(process), sum(map(allocated, folders))))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield samples
    finally:
        done.set()
        watcher.join()


@dataclass
class Watched:
    """A command of `kinship` that has ended; `steps` are those it told of, each with when it began and ended."""

    code: int
    begun: float
    ended: float
    steps: dict[str, tuple[float, float]]
    samples: Samples
    last_lines: Sequence[str]
    """Of what it printed."""

    @property
    def seconds(self) -> float:
        return self.ended - self.begun


def watch(
    arguments: Sequence[str],
    environment: Mapping[str, str],
    folders: Sequence[Path] = (),
    every: float = 0.5,
    echo: bool = False,
) -> Watched:
    """Run `kinship` to its end and watch it; `echo` tells what it prints on standard error."""
    begun = last = time.time()
    steps: dict[str, tuple[float, float]] = {}
    last_lines: deque[str] = deque(maxlen=20)
    process = subprocess.Popen([KINSHIP, *arguments], env=dict(environment), stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    with sampled(process.pid, folders, every) as samples:
        for line in process.stdout:
            now = time.time()
            last_lines.append(line.rstrip())
            if step := STEP.search(line.rstrip()):
                steps[step["name"]] = (last, now)
                last = now
            if echo:
                print(f"  {now - begun:8.0f} s  {line.rstrip()}", file=sys.stderr, flush=True)
        code = process.wait()
    return Watched(code, begun, time.time(), steps, samples, last_lines)
