# SPDX-License-Identifier: MIT
"""What is true of this machine, for those who read the figures later."""
import os
import platform
from datetime import datetime, timezone

from .allocators import output


def facts(root):
    return {
        "date": datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
        "processor": processor(),
        "cores": len(os.sched_getaffinity(0)),
        "memory": f"{os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE') / 2**30:.0f} GiB",
        "kernel": platform.release(),
        "system": distribution(),
        "compiler": output("cc", "--version"),
        "huge pages": chosen("/sys/kernel/mm/transparent_hugepage/enabled"),
        "frequency governor": text_of("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor") or "not visible",
        "load before": text_of("/proc/loadavg").split(" ")[0],
        "commit": output("git", "-C", str(root), "describe", "--always", "--dirty"),
    }


def text_of(path):
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read().strip()
    except OSError:
        return ""


def processor():
    for line in text_of("/proc/cpuinfo").splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.machine()


def distribution():
    try:
        return platform.freedesktop_os_release().get("PRETTY_NAME", "unknown")
    except OSError:
        return "unknown"


def chosen(path):
    """Of "always [madvise] never" the word in brackets."""
    text = text_of(path)
    return text[text.find("[") + 1 : text.find("]")] if "[" in text else "none"
