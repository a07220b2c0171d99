# SPDX-License-Identifier: MIT
"""Real servers, as jobs: the server runs on the allocator, its client on the C library's malloc.

Compared are the processor time of the server, with all its processes, and its memory: the sum of what each process has
for itself and its part of what they share (PSS), sampled five times a second.
"""
import hashlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
import urllib.request
from pathlib import Path

from .jobs import PROGRAM, Job
from .process import Failure, descendants, last_line
from .programs import source

START_SECONDS = 30
REST_SECONDS = 2


def servers(machinery, quick):
    postgres = Postgres(machinery, quick)
    redis = Redis(machinery, quick)
    nginx = Nginx(machinery, quick)
    return [
        job(machinery, "redis", ["redis-server", "redis-cli", "redis-benchmark"], "redis-server redis-tools", redis.run,
            "redis-server with 60,000 values of 1 to 3000 bytes, half of them replaced, then redis-benchmark, then FLUSHALL",
            "A long-lived cache of all sizes in one thread; does its memory come back?"),
        job(machinery, "postgres", [postgres.program("postgres"), "psql", "pgbench"], "postgresql", postgres.run,
            "postgres under pgbench with eight clients, then sorting, hashing and JSON in one more",
            "A process for each client, with pools of memory that are taken and dropped whole", postgres.prepare),
        job(machinery, "nginx", ["nginx", "ab"], "nginx apache2-utils", nginx.run,
            "nginx with two workers that compress, assemble and pass on pages for 32 clients",
            "Pools and buffers for each request, dropped with it"),
    ]  # fmt: skip


def job(machinery, name, programs, packages, run, imitates, why, prepare=lambda: None):
    lacking = [one for one in programs if not shutil.which(one, path=machinery.environment["PATH"])]
    missing = f"not installed: {' '.join(lacking)} (packages: {packages})" if lacking else ""
    return Job(name, PROGRAM, imitates, why, run, missing=missing, prepare=prepare)


# ---- what all of them use ----


class Watcher:
    """Samples the memory of a process and all below it, while the context is open."""

    def __init__(self, pid):
        self.pid, self.peak = pid, 0
        self.done = threading.Event()
        self.thread = threading.Thread(target=self.watch)

    def watch(self):
        while True:
            self.peak = max(self.peak, memory_of(self.pid))
            if self.done.wait(0.2):
                break

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.done.set()
        self.thread.join()


def memory_of(pid):
    """PSS of a process and all below it, in KiB; one that ends meanwhile does not count."""
    total = 0
    for one in descendants(pid):
        try:
            with open(f"/proc/{one}/smaps_rollup", encoding="ascii") as file:
                total += next(int(line.split()[1]) for line in file if line.startswith("Pss:"))
        except (OSError, StopIteration):
            pass
    return total


def cpu_of(pid):
    """Seconds of processor time of one process so far."""
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def check_loaded(pid, allocator):
    with open(f"/proc/{pid}/maps", encoding="utf-8") as file:
        if allocator.path not in file.read():
            raise Failure(f"the library is not mapped into process {pid}")


def wait_until(running, ready, what):
    end = time.monotonic() + START_SECONDS
    while not ready():
        if not running.alive():
            outcome = running.finish(5)
            raise Failure(f"{what} ended early: {last_line(outcome.stderr) or last_line(outcome.stdout)}")
        if time.monotonic() > end:
            raise Failure(f"{what} was not ready after {START_SECONDS} seconds")
        time.sleep(0.02)


def client(machinery, command, **more):
    """Runs a client, or another helper, on the C library's malloc; its output."""
    done = subprocess.run(
        [str(word) for word in command],
        env=machinery.environment, capture_output=True, text=True, errors="replace", check=False, timeout=300, **more,
    )  # fmt: skip
    if done.returncode != 0:
        raise Failure(f"{command[0]}: status {done.returncode}: {last_line(done.stderr) or last_line(done.stdout)}")
    return done.stdout


def digest(text):
    return hashlib.sha256(text.encode()).hexdigest()[:16]


class Folder:
    """A fresh folder for one run, which other users may read."""

    def __init__(self, machinery):
        self.path = Path(tempfile.mkdtemp(dir=machinery.work))
        self.path.chmod(0o755)

    def __enter__(self):
        return self.path

    def __exit__(self, *_):
        shutil.rmtree(self.path, ignore_errors=True)


# ---- redis ----


class Redis:
    # Sizes come from a linear congruence, so that each run stores the same.
    FILL = """
        local state = 7
        local function random(n) state = state * 16807 % 2147483647; return state % n end
        for turn = 1, 2 do
            for i = turn, tonumber(ARGV[1]), turn do
                redis.call("set", "s" .. i, string.rep("x", random(3000)) .. i)
                if i % 6 == 0 then redis.call("hset", "h" .. i % 300, "f" .. i, i * turn) end
                if i % 7 == 0 then redis.call("zadd", "z" .. i % 90, random(1000), "m" .. i) end
                if i % 8 == 0 then redis.call("rpush", "l" .. i % 70, "element " .. i) end
            end
        end
        return redis.call("dbsize")"""

    def __init__(self, machinery, quick):
        self.machinery = machinery
        self.n_values, self.n_requests = (15000, 20000) if quick else (60000, 400000)

    def run(self, allocator):
        with Folder(self.machinery) as folder:
            command = [
                "redis-server", "--port", "0", "--unixsocket", folder / "socket", "--dir", folder, "--save", "",
                "--appendonly", "no", "--enable-debug-command", "yes",
            ]  # fmt: skip
            with self.machinery.start(allocator, command, cwd=folder) as running:
                wait_until(running, lambda: self.answers(folder), "redis-server")
                pid = running.command_pid()
                check_loaded(pid, allocator)
                figures = self.measure(folder, pid)
                running.stop()
                running.finish(30).check("redis-server")
                return figures

    def answers(self, folder):
        try:
            with socket.socket(socket.AF_UNIX) as connection:
                connection.connect(str(folder / "socket"))
                connection.sendall(b"PING\r\n")
                return connection.recv(16).startswith(b"+PONG")
        except OSError:
            return False

    def cli(self, folder, *words):
        return client(self.machinery, ["redis-cli", "-s", folder / "socket", *words])

    def measure(self, folder, pid):
        began, cpu = time.monotonic(), cpu_of(pid)
        with Watcher(pid) as watcher:
            size = self.cli(folder, "eval", self.FILL, 0, self.n_values)
            value = self.cli(folder, "debug", "digest")
            client(self.machinery, [
                "redis-benchmark", "-s", folder / "socket", "-c", 30, "-P", 8, "-n", self.n_requests, "-r", 50000,
                "-d", 300, "-q", "-t", "set,get,lpush,lpop,sadd,hset,zadd",
            ])  # fmt: skip
            self.cli(folder, "ping")
        figures = {"seconds": time.monotonic() - began, "cpu": cpu_of(pid) - cpu, "rss_peak": watcher.peak}
        self.cli(folder, "flushall", "sync")
        figures["rss_end"] = memory_of(pid)
        time.sleep(REST_SECONDS)
        figures["rss_floor"] = memory_of(pid)
        return {**figures, "checksum": digest(size + value)}


# ---- postgres ----


class Postgres:
    def __init__(self, machinery, quick):
        self.machinery = machinery
        self.n_transactions = 100 if quick else 1500
        self.n_rows = 10000 if quick else 100000
        self.template = machinery.work / "postgres"

    def program(self, name):
        found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
        return str(found[-1]) if found else name

    def as_user(self, *command):
        """postgres refuses root, so root runs it as nobody."""
        if os.geteuid() != 0:
            return list(command)
        return ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", *command]

    def prepare(self):
        """A data folder that each run gets a copy of."""
        self.template.mkdir()
        if os.geteuid() == 0:
            shutil.chown(self.template, "nobody", "nogroup")
        data = self.template / "data"
        client(self.machinery, self.as_user(
            self.program("initdb"), "-D", data, "-U", "tester", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync",
        ))  # fmt: skip
        with self.server(None, self.template, data) as running:
            wait_until(running, lambda: self.answers(self.template), "postgres")
            client(self.machinery, self.pgbench(self.template, "-i", "-s", 2, "-q"))
            self.stop(running)

    def server(self, allocator, folder, data):
        options = {
            "listen_addresses": "", "fsync": "off", "shared_buffers": "64MB", "work_mem": "4MB", "autovacuum": "off",
            "max_wal_size": "500MB", "max_parallel_workers_per_gather": 0, "unix_socket_directories": folder,
        }  # fmt: skip
        settings = [word for name, value in options.items() for word in ("-c", f"{name}={value}")]
        return self.machinery.start(
            allocator, self.as_user(self.program("postgres"), "-D", data, *settings), cwd=folder
        )

    def stop(self, running):
        running.stop(signal.SIGINT)  # a fast shutdown
        return running.finish(60).check("postgres")

    def answers(self, folder):
        try:
            return self.query(folder, "select 1") == "1\n"
        except Failure:
            return False

    def query(self, folder, text):
        command = [self.program("psql"), "-XqAt", "-v", "ON_ERROR_STOP=1", "-h", folder, "-U", "tester", "postgres"]
        return client(self.machinery, command, input=text)

    def pgbench(self, folder, *words):
        return [self.program("pgbench"), *words, "-h", folder, "-U", "tester", "postgres"]

    def run(self, allocator):
        with Folder(self.machinery) as folder:
            data = folder / "data"
            client(self.machinery, ["cp", "-a", self.template / "data", data])
            if os.geteuid() == 0:
                shutil.chown(folder, "nobody", "nogroup")
            with self.server(allocator, folder, data) as running:
                wait_until(running, lambda: self.answers(folder), "postgres")
                pid = int((data / "postmaster.pid").read_text().split("\n", 1)[0])
                check_loaded(pid, allocator)
                with Watcher(pid) as watcher:
                    result = self.work(folder)
                figures = self.stop(running).figures
        return {**figures, "rss_peak": watcher.peak, "checksum": digest(result)}

    def work(self, folder):
        client(self.machinery, self.pgbench(
            folder, "-c", 8, "-j", 1, "-t", self.n_transactions, "-n", "--random-seed=3", "-M", "prepared",
        ))  # fmt: skip
        text = source(self.machinery, "queries.sql").read_text()
        return self.query(folder, text.replace(":rows", str(self.n_rows)))


# ---- nginx ----


class Nginx:
    PAGES = ("/numbers.txt", "/part.shtml?name=somebody", "/proxy/part.shtml?name=else")

    def __init__(self, machinery, quick):
        self.machinery = machinery
        self.n_requests = 800 if quick else 12000

    def run(self, allocator):
        with Folder(self.machinery) as folder:
            port = free_port()
            self.write_files(folder, port)
            with self.machinery.start(allocator, ["nginx", "-p", folder, "-c", folder / "nginx.conf"]) as running:
                wait_until(running, lambda: listens(port), "nginx")
                pid = running.command_pid()
                check_loaded(pid, allocator)
                with Watcher(pid) as watcher:
                    texts = [self.ask(port, page) for page in self.PAGES]
                running.stop()
                figures = running.finish(30).check("nginx").figures
        return {**figures, "rss_peak": watcher.peak, "checksum": digest("".join(texts))}

    def ask(self, port, page):
        """Many times by ab, which counts failures, then once to have the text."""
        url = f"http://127.0.0.1:{port}{page}"
        told = client(self.machinery, [
            "ab", "-q", "-k", "-n", self.n_requests, "-c", 32, "-H", "Accept-Encoding: gzip", url,
        ])  # fmt: skip
        complete = [line.split()[-1] for line in told.splitlines() if line.startswith("Complete requests:")]
        failures = [line for line in told.splitlines() if line.startswith(("Failed requests:", "Non-2xx"))]
        if complete != [str(self.n_requests)] or any(not line.endswith(" 0") for line in failures):
            raise Failure(f"nginx: {page}: {'; '.join(failures)}")
        with urllib.request.urlopen(url, timeout=30) as answer:
            return answer.read().decode()

    def write_files(self, folder, port):
        (folder / "www").mkdir()
        (folder / "tmp").mkdir()
        (folder / "www/numbers.txt").write_text("\n".join(map(str, range(5000))))
        (folder / "www/index.html").write_text("<html>" + " ".join(map(str, range(400))) + "</html>\n")
        (folder / "www/part.shtml").write_text(
            '<!--# echo var="arg_name" default="nobody" --> <!--# include virtual="/index.html" -->\n'
        )
        text = source(self.machinery, "nginx.conf").read_text()
        user = "user root;" if os.geteuid() == 0 else ""
        (folder / "nginx.conf").write_text(
            text.replace("@FOLDER@", str(folder)).replace("@PORT@", str(port)).replace("@USER@", user)
        )


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def listens(port):
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True
