# SPDX-License-Identifier: MIT
"""What the machine is, and what it says about processes."""

import os
import statistics
import time
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")
IN_MEMORY = {"tmpfs", "ramfs"}
SYNCS = 50


def cpu_seconds(pid):
    """User and system time that the process has taken so far, all its threads together."""
    # The name stands in parentheses and may hold anything.
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def forget_peak(pid):
    """Let the peak of resident memory begin again from what is resident now."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")


def peak_mib(pid):
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    raise ValueError(f"process {pid} has no peak of resident memory")


def file_system(folder):
    """Device, type and mount point of what the folder is on."""
    best = ("?", "?", "")
    for line in Path("/proc/mounts").read_text().splitlines():
        device, mount, kind = line.split()[:3]
        inside = Path(mount) == folder or Path(mount) in folder.parents
        if inside and len(mount) >= len(best[2]):
            best = (device, kind, mount)
    return best


def sync_milliseconds(folder):
    """The median of what it takes to append 4 KiB to a file and sync it."""
    path, times = folder / "sync-probe", []
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        for _ in range(SYNCS):
            began = time.perf_counter()
            os.write(descriptor, bytes(4096))
            os.fdatasync(descriptor)
            times.append(time.perf_counter() - began)
    finally:
        os.close(descriptor)
        path.unlink()
    return statistics.median(times) * 1000


def processor():
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return os.uname().machine


def describe(folder):
    device, kind, _ = file_system(folder)
    gib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / (1 << 30)
    return (
        f"{time.strftime('%Y-%m-%d %H:%M')}, {len(os.sched_getaffinity(0))} processors ({processor()}), "
        f"{gib:.0f} GiB, load {os.getloadavg()[0]:.1f} at the beginning; "
        f"data in {folder} ({kind} on {device}), a sync of 4 KiB takes {sync_milliseconds(folder):.2f} ms"
    )
