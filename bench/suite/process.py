# SPDX-License-Identifier: MIT
"""One command on one library: its output, time and memory."""
import contextlib
import os
import signal
import subprocess
import time
from dataclasses import dataclass, field


class Failure(Exception):
    """A workload that did not do what it should; the text says what happened."""


def key_values(text):
    """The lines "key=value" of a text, as a dictionary of texts."""
    pairs = (line.split("=", 1) for line in text.splitlines() if "=" in line)
    return {key.strip(): value.strip() for key, value in pairs}


@dataclass
class Outcome:
    """How a command ended. The figures are those of launch.c: seconds, cpu, rss_peak, and rss_exit if it was asked for."""

    status: int
    stdout: str
    stderr: str
    figures: dict = field(default_factory=dict)

    def check(self, name):
        """Fails unless the command ended well and the library was in effect."""
        if "cannot be preloaded" in self.stderr:
            raise Failure("the library could not be preloaded: " + first_line(self.stderr))
        if self.status != 0:
            raise Failure(f"{name}: {ending(self.status)}: {last_line(self.stderr) or last_line(self.stdout)}")
        if "seconds" not in self.figures:
            raise Failure(f"{name}: no report of its time and memory")
        return self


def first_line(text):
    return text.strip().splitlines()[0] if text.strip() else ""


def last_line(text):
    return text.strip().splitlines()[-1] if text.strip() else ""


def ending(status):
    if status < 0:
        return f"ended by {signal.Signals(-status).name}"
    return f"status {status}"


class Machinery:
    """Where things are, and how commands are run: built programs, the work folder, the clean environment."""

    def __init__(self, root, build, work):
        self.root, self.build, self.work = root, build, work
        self.launch_program = build / "bench/launch"
        self.environment = {
            "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "LC_ALL": "C",
            "TZ": "UTC",
            "HOME": str(work),
            "TMPDIR": str(work),
        }

    def run(self, allocator, command, timeout=600, cwd=None, env=None, stdin=None, pass_fds=(), at_exit=False):
        """Runs a command to its end. A command that takes too long is ended, with all it started."""
        with self.start(allocator, command, cwd, env, stdin, pass_fds, at_exit) as running:
            try:
                return running.finish(timeout)
            except subprocess.TimeoutExpired:
                raise Failure(f"not ready after {timeout} seconds") from None

    def start(self, allocator, command, cwd=None, env=None, stdin=None, pass_fds=(), at_exit=False):
        """Starts a command; a Running, which is a context manager."""
        reading, writing = os.pipe()
        try:
            preload = allocator.path if allocator else ""
            process = subprocess.Popen(
                [self.launch_program, *(["--at-exit"] if at_exit else []), str(writing), preload, *map(str, command)],
                cwd=cwd or self.work,
                env={**self.environment, **(env or {})},
                stdin=stdin or subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                errors="replace",
                start_new_session=True,
                pass_fds=(writing, *pass_fds),
            )
        except OSError:
            os.close(reading)
            raise
        finally:
            os.close(writing)
        return Running(process, reading)


class Running:
    """A command that runs. Leaving the context ends it and all that it started."""

    def __init__(self, process, report):
        self.process, self.report = process, report

    def __enter__(self):
        return self

    def __exit__(self, *_):
        # The group may have members that outlive the command.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        for stream in (self.process.stdout, self.process.stderr):
            stream.close()
        os.close(self.report)

    def alive(self):
        return self.process.poll() is None

    def command_pid(self):
        """The process of the command itself, which is the only child of launch."""
        for _ in range(100):
            pids = children(self.process.pid)
            if pids:
                return pids[0]
            time.sleep(0.01)
        raise Failure("the command did not start")

    def stop(self, how=signal.SIGTERM):
        """Asks the command to end; launch passes SIGTERM and SIGINT on."""
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(how)

    def finish(self, timeout):
        """Waits for the end."""
        stdout, stderr = self.process.communicate(timeout=timeout)
        figures = {key: float(value) for key, value in key_values(os.read(self.report, 4096).decode()).items()}
        return Outcome(self.process.returncode, stdout, stderr, figures)


def children(pid):
    with contextlib.suppress(OSError):
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
            return [int(word) for word in file.read().split()]
    return []


def descendants(pid):
    """The process and all below it."""
    found, queue = [], [pid]
    while queue:
        pid = queue.pop()
        found.append(pid)
        queue.extend(children(pid))
    return found
