# SPDX-License-Identifier: MIT
"""Running the programs that put load on something, and what they and the processes say then."""

import json
import subprocess
from dataclasses import dataclass, field

from . import machine
from .programs import BUILD

SIZES = {"K": 1 << 10, "M": 1 << 20}


class Wrong(Exception):
    """An answer was not what it should be, or a program could not do its work."""


@dataclass
class Load:
    """What to do: bench-load's options."""

    operation: str
    size: str = "4K"
    connections: int = 16
    kind: str = "json"
    count: int = 0
    seconds: float = 0
    warm_up: float = 0
    follow: bool = False

    def arguments(self):
        options = {
            "size": self.size,
            "connections": self.connections,
            "kind": self.kind,
            "count": self.count,
            "seconds": self.seconds,
            "warm-up": self.warm_up,
        }
        given = [part for name, value in options.items() if value for part in (f"--{name}", str(value))]
        return [*given, *(["--follow"] if self.follow else []), self.operation]


@dataclass
class Sample:
    """One measurement: what the generator says, and what the processes took for it."""

    said: dict
    cpu_ms: dict = field(default_factory=dict)  # of each process, for one operation
    peak_mib: dict = field(default_factory=dict)

    @property
    def rate(self):
        return self.said["per_second"]

    @property
    def median_ms(self):
        return self.said["milliseconds"]["p50"]


def run(program, *arguments):
    """What a program of ours prints when all went well."""
    done = subprocess.run(
        [BUILD / "bench" / program, *map(str, arguments)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    said = json.loads(done.stdout) if done.stdout else {}
    if done.returncode or said.get("errors"):
        raise Wrong(f"{program}: {said.get('first_error') or done.stderr.strip() or said}")
    return said


def measure(processes, program, *arguments):
    """Run it, and look what it costs these processes: pairs of name and id, those of one name together."""
    for _, pid in processes:
        machine.forget_peak(pid)
    before = {pid: machine.cpu_seconds(pid) for _, pid in processes}
    said = run(program, *arguments)
    operations = said.get("all_operations", said["operations"])
    sample = Sample(said)
    for name, pid in processes:
        taken = machine.cpu_seconds(pid) - before[pid]
        sample.cpu_ms[name] = sample.cpu_ms.get(name, 0) + taken * 1000 / operations
        sample.peak_mib[name] = max(sample.peak_mib.get(name, 0), machine.peak_mib(pid))
    if "cpu_seconds" in said:
        sample.cpu_ms["load"] = said["cpu_seconds"] * 1000 / said["operations"]
    return sample
