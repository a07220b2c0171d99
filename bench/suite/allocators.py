# SPDX-License-Identifier: MIT
"""The libraries that are compared: found by name, with their versions, proved to be in effect."""
import glob
import os
import platform
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from .process import Failure

BASE = "glibc"
PACKAGES = {
    "jemalloc": "libjemalloc2",
    "mimalloc": "libmimalloc2.0",
    "tcmalloc": "libtcmalloc-minimal4",
    "scudo": "libclang-rt-14-dev",
}


@dataclass(frozen=True)
class Allocator:
    """A malloc library. Path is what LD_PRELOAD holds; every user may read it, as some servers refuse root."""

    name: str
    path: str
    version: str


def find(machinery, added, only):
    """The allocators, the base first, and a dictionary of those that are absent: name to reason.

    added maps names to paths (--lib) and may replace a known one; only, if not empty, picks by name."""
    paths = {BASE: libc_path(), "vmalloc": str(machinery.build / "libvmalloc.so")}
    absent = {}
    for name, package in PACKAGES.items():
        path = known_path(name)
        if path:
            paths[name] = path
        else:
            absent[name] = f"package {package} is not installed"
    paths.update(added)
    absent = {name: why for name, why in absent.items() if name not in added}
    if only:
        unknown = sorted(set(only) - set(paths) - set(absent))
        if unknown:
            raise Failure(f"no allocator is called {unknown[0]}; --lib {unknown[0]}=PATH adds it")
        paths = {name: path for name, path in paths.items() if name in only or name in added or name == BASE}
        absent = {name: why for name, why in absent.items() if name in only}
    found = []
    for name, path in paths.items():
        path = os.path.realpath(path)
        if not os.path.exists(path):
            raise Failure(f"no library {path} for {name}")
        allocator = Allocator(name, readable(machinery, name, path), version_of(machinery, name, path))
        why = not_in_effect(machinery, allocator)
        if not why:
            found.append(allocator)
        elif name in added or name in (BASE, "vmalloc"):
            raise Failure(f"{name}: {why}")
        else:
            absent[name] = why
    return found, absent


def readable(machinery, name, path):
    """The path itself, or that of a copy if other users cannot get to it."""
    parents = Path(path).parents
    if os.stat(path).st_mode & 0o004 and all(os.stat(parent).st_mode & 0o001 for parent in parents):
        return path
    copy = machinery.work / f"{name}-{os.path.basename(path)}"
    shutil.copyfile(path, copy)
    copy.chmod(0o755)
    return str(copy)


def libc_path():
    """The C library itself. It is preloaded, too: so programs that are linked with another allocator run on it."""
    names = {line.split()[-1] for line in open("/proc/self/maps", encoding="ascii") if "/libc.so.6" in line}
    if not names:
        raise Failure("this interpreter does not run on glibc")
    return names.pop()


def known_path(name):
    """Where Debian puts a known allocator, for this kind of machine; empty if it is not there."""
    machine = platform.machine()
    patterns = {
        "jemalloc": [f"/usr/lib/{machine}-*/libjemalloc.so.2"],
        "mimalloc": [f"/usr/lib/{machine}-*/libmimalloc.so.2"],
        "tcmalloc": [f"/usr/lib/{machine}-*/libtcmalloc_minimal.so.4"],
        "scudo": [f"/usr/lib/llvm-*/lib/clang/*/lib/linux/libclang_rt.scudo_standalone-{machine}.so"],
    }
    paths = [path for pattern in patterns[name] for path in glob.glob(pattern)]
    return max(paths, key=numbers_in, default="")


def numbers_in(path):
    """So that llvm-19 is newer than llvm-9."""
    return [int(number) for number in re.findall(r"\d+", path)]


def version_of(machinery, name, path):
    if name == BASE:
        return os.confstr("CS_GNU_LIBC_VERSION").split()[-1]
    if name == "vmalloc" and path.startswith(str(machinery.build)):
        return f"commit {output('git', '-C', str(machinery.root), 'describe', '--always', '--dirty') or 'unknown'}"
    package = output("dpkg-query", "-S", path).split(":")[0]
    version = output("dpkg-query", "-W", "-f", "${Version}", package) if package else ""
    return version or "version unknown"


def output(*command):
    """The first line that a command prints; empty if it fails or is not there."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return ""
    return done.stdout.split("\n", 1)[0].strip()


def not_in_effect(machinery, allocator):
    """Why malloc and its family would not come from the library; empty if they do."""
    try:
        outcome = machinery.run(allocator, [machinery.build / "bench/origin"], timeout=60).check("a first program")
    except Failure as failure:
        return str(failure)
    for line in outcome.stdout.splitlines():
        function, origin = line.split(" ", 1)
        optional = function in ("memalign", "malloc_usable_size", "aligned_alloc", "posix_memalign")
        if os.path.realpath(origin) != allocator.path and not optional:
            return f"{function} comes from {origin}"
    return ""
