# SPDX-License-Identifier: MIT
"""Real programs that end by themselves, as jobs.

Each gets its input by argument or on standard input, and its whole output is compared. Python's own allocator of small
objects is switched off (PYTHONMALLOC=malloc), so that each object is a block of ours.
"""
import hashlib
import random
import re
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from .jobs import PROGRAM, Job
from .process import Failure


@dataclass
class Batch:
    """A command that is run as it is."""

    name: str
    package: str
    imitates: str
    why: str
    command: list
    program: str = ""  # looked for; the command's first word unless given
    environment: dict = field(default_factory=dict)
    stdin: str = ""  # a file of bench/programs
    result: str = ""  # the file that the command writes; else its standard output
    pick: str = ""  # a pattern: only what it finds in the output is compared
    prepare: object = lambda: None


def programs(machinery, quick):
    """The jobs; those whose program is not installed say so."""
    return [as_job(machinery, batch) for batch in batches(machinery, quick)]


def as_job(machinery, batch):
    program = batch.program or batch.command[0]
    found = shutil.which(program, path=machinery.environment["PATH"])
    return Job(
        name=batch.name,
        group=PROGRAM,
        imitates=batch.imitates,
        why=batch.why,
        run=lambda allocator: run_batch(machinery, batch, allocator),
        missing="" if found else f"not installed: package {batch.package}",
        prepare=batch.prepare,
    )


def run_batch(machinery, batch, allocator):
    check_dynamic(machinery, batch, allocator)
    stdin = open(source(machinery, batch.stdin), "rb") if batch.stdin else None
    try:
        outcome = machinery.run(allocator, batch.command, env=batch.environment, stdin=stdin).check(batch.name)
    finally:
        if stdin:
            stdin.close()
    result = Path(batch.result).read_bytes() if batch.result else outcome.stdout.encode()
    if batch.pick:
        result = b"\n".join(re.findall(batch.pick.encode(), result))
    if not result:
        raise Failure("no result that could be compared")
    return {**outcome.figures, "checksum": hashlib.sha256(result).hexdigest()[:16]}


def check_dynamic(machinery, batch, allocator):
    """Fails if the loader would not load the library into the program, as it does not into a static one."""
    command = ["env", "LD_TRACE_LOADED_OBJECTS=1", shutil.which(batch.command[0], path=machinery.environment["PATH"])]
    if allocator.path not in machinery.run(allocator, command, timeout=60).stdout:
        raise Failure("the loader does not load the library into the program")


def source(machinery, name):
    return machinery.root / "bench/programs" / name


def batches(machinery, quick):
    python = {"PYTHONMALLOC": "malloc", "PYTHONHASHSEED": "0"}
    c_file, assembly = machinery.work / "large.c", machinery.work / "large.s"
    formula, bitmap = machinery.work / "colours.smt2", machinery.work / "pages.ppm"

    def size(full, small):
        return small if quick else full

    def script(interpreter, name, full, small):
        return [interpreter, source(machinery, name), size(full, small)]

    return [
        Batch(
            "python-json", "python3", "python3 that prints and reads JSON documents",
            "Strings, lists and dictionaries of all sizes, built and dropped at once",
            script("/usr/bin/python3", "documents.py", 6, 1), environment=python,
        ),
        Batch(
            "python-objects", "python3", "python3 with queues, dictionaries, closures and exceptions in plain objects",
            "Small objects that die in the order in which they came, beside some that stay",
            script("/usr/bin/python3", "objects.py", 120000, 25000), environment=python,
        ),
        Batch(
            "python-tree", "python3", "python3 with search trees that grow and lose random nodes",
            "Many objects of few sizes, freed in random order",
            script("/usr/bin/python3", "tree.py", 250000, 25000), environment=python,
        ),
        Batch(
            "gcc", "gcc", "cc1 -O2, the compiler proper of gcc, on a generated file of 250 functions",
            "Obstacks and hash tables, a collector of its own on top, and a large heap that is never given back",
            [cc1_path(), "-quiet", "-O2", "-o", assembly, c_file],
            result=assembly, prepare=lambda: c_file.write_text(c_source(size(250, 40))),
        ),
        Batch(
            "sqlite", "sqlite3", "sqlite3 with a database in memory: joins, windows, JSON, full text, a vacuum",
            "A page cache of equal blocks, rows and keys of any size beside it",
            ["sqlite3", ":memory:"], stdin="shop.sql",
        ),
        Batch(
            "ruby", "ruby", "ruby that counts, sorts and changes words and makes records into JSON",
            "Strings and arrays outside of the interpreter's own slots, freed by its collector",
            script("ruby", "words.rb", 8, 1),
        ),
        Batch(
            "lua", "lua5.4", "lua5.4 with tables of strings and small tables that are replaced all the time",
            "Every object is a block, reallocated as it grows, freed in the sweeps of a collector",
            script("lua5.4", "tables.lua", 3, 1),
        ),
        Batch(
            "z3", "z3", "z3 that colours a generated graph, stated in bit vectors and integers",
            "Terms and clauses in small blocks and growing vectors, as a solver has them",
            ["z3", formula], prepare=lambda: formula.write_text(colouring(size(200, 100), 4)),
        ),
        Batch(
            "ghostscript", "ghostscript", "gs that draws pages of text, curves, patterns and dictionaries",
            "A virtual memory of its own, in chunks, beside bitmaps of the size of a page",
            ["gs", "-q", "-dSAFER", "-dBATCH", "-dNOPAUSE", "-sDEVICE=ppmraw", "-r72", "-dTextAlphaBits=4",
             "-dGraphicsAlphaBits=4", "-o", bitmap, "-c", f"/pages {size(16, 3)} def",
             "-f", source(machinery, "pages.ps")],
            result=bitmap,
        ),
        Batch(
            "rocksdb", "rocksdb-tools", "db_bench of RocksDB, two threads that fill, overwrite, read at random and in order",
            "Arenas of large pieces, cached blocks of any size, and threads in the background that free what others took",
            ["db_bench", "--benchmarks=fillrandom,overwrite,readrandom,readseq", f"--num={size(120000, 15000)}",
             "--threads=2", "--seed=3", "--compression_type=none", f"--db={machinery.work / 'rocksdb'}"],
            pick=r"\(\d+ of \d+ found\)|readseq.* (\d+) operations",
        ),
    ]  # fmt: skip


def cc1_path():
    try:
        return subprocess.run(
            ["gcc", "-print-prog-name=cc1"], capture_output=True, text=True, check=True
        ).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "cc1"


def c_source(n_functions):
    """A C file of so many functions: structures, loops, switches, and calls of those before."""
    generator = random.Random(5)
    lines = ["struct pair { long first, second; unsigned char text[24]; };", "extern struct pair table[1000];"]
    for number in range(n_functions):
        lines.append(f"long work_{number}(struct pair *pairs, long n)")
        lines.append("{")
        lines.append("    long sum = 0;")
        for _ in range(generator.randrange(2, 6)):
            lines += c_statement(generator, number)
        lines.append("    return sum;")
        lines.append("}")
    return "\n".join(lines) + "\n"


def c_statement(generator, number):
    kind, factor = generator.randrange(4), generator.randrange(3, 90)
    if kind == 0:
        return [
            f"    for (long i = 0; i < n; i += {factor % 5 + 1})",
            f"        sum += pairs[i].first * {factor} - (pairs[i].second >> {factor % 7});",
        ]
    if kind == 1 and number:
        return [
            f"    if (sum % {factor} == n % {factor + 1})",
            f"        sum ^= work_{generator.randrange(number)}(pairs + {factor % 10}, n / 2);",
        ]
    if kind == 2:
        cases = [
            f"    case {key}: pairs[{key}].text[{key % 24}] = (unsigned char)(sum * {key + 3}); break;"
            for key in range(factor % 12 + 3)
        ]
        return [f"    switch ((sum + {factor}) & 15) {{", *cases, "    default: sum += 3;", "    }"]
    return [
        f"    struct pair copy_{factor} = table[(sum & 255) + {factor}];",
        f"    for (int i = 0; i < 24; i++) sum += copy_{factor}.text[i] * (i ^ {factor});",
    ]


def colouring(n_nodes, n_colours):
    """A formula: a random graph with a colour for each node, and a number for each that grows along the edges."""
    generator = random.Random(6)
    colours = [generator.randrange(n_colours) for _ in range(n_nodes)]
    lines = ["(set-option :smt.random_seed 7)", "(set-option :sat.random_seed 7)"]
    lines += [f"(declare-const c{node} (_ BitVec 8))\n(declare-const v{node} Int)" for node in range(n_nodes)]
    lines += [f"(assert (bvult c{node} (_ bv{n_colours} 8)))" for node in range(n_nodes)]
    lines += [f"(assert (and (>= v{node} 0) (<= v{node} {2 * n_nodes})))" for node in range(n_nodes)]
    for _ in range(5 * n_nodes):
        one, other = sorted(generator.sample(range(n_nodes), 2))
        if colours[one] != colours[other]:
            lines.append(f"(assert (distinct c{one} c{other}))")
            lines.append(f"(assert (=> (bvult c{one} c{other}) (> (+ v{one} 3) v{other})))")
    return "\n".join([*lines, "(check-sat)", "(get-model)"]) + "\n"
