# SPDX-License-Identifier: MIT
"""The command line, and the order of the steps. bench/run installs packages and starts this."""
import argparse
import fnmatch
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from . import allocators, analysis, bars, compare, docs, extras, machine, programs, report, rounds, servers, store, tables
from .jobs import workloads
from .process import Failure, Machinery

ROOT = Path(__file__).resolve().parents[2]
FULL_ROUNDS, QUICK_ROUNDS = 5, 1
QUICK_ALLOCATORS = "vmalloc,jemalloc"


def arguments():
    parser = argparse.ArgumentParser(
        prog="bench/run",
        description="Time and memory of malloc libraries side by side: workloads, real programs, memory that comes back, "
        "instructions. Installs what is missing (as root; else says what to run), builds a release in build-bench, "
        "runs everything in interleaved rounds, and writes results.json, results.csv, figures (SVG) and report.html.",
        epilog="Names for --only are those of the workloads and programs (--list), and of the sections: "
        + ", ".join(extras.SECTIONS)
        + ". To see the noise of the machine itself, compare the C library with itself: --lib again=PATH-OF-LIBC.SO.6. "
        "Exit status: 0 if all is well, 1 if a workload failed, 2 if the suite could not run, 130 after Ctrl-C.",
    )
    parser.add_argument(
        "--quick", action="store_true", help="short runs, under three minutes: a look, no figures to quote"
    )
    parser.add_argument(
        "--rounds",
        type=positive,
        metavar="N",
        help=f"rounds ({FULL_ROUNDS}; {QUICK_ROUNDS} with --quick); without --quick up to twice as many for what is uncertain",
    )
    parser.add_argument(
        "--only", action="append", default=[], metavar="PATTERN", help="only these (*, ?; commas between)"
    )
    parser.add_argument("--lib", action="append", default=[], metavar="NAME=PATH", help="another library to compare")
    parser.add_argument(
        "--allocators",
        default="",
        metavar="LIST",
        help=f"only these libraries, glibc, and those of --lib (all; {QUICK_ALLOCATORS} with --quick)",
    )
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="of the order within the rounds (1)")
    parser.add_argument(
        "--build", type=Path, metavar="FOLDER", help="measure this build, as it is (build-bench, a release)"
    )
    parser.add_argument(
        "--out", type=Path, metavar="FOLDER", help="where the results go (results, in the build folder)"
    )
    parser.add_argument(
        "--resume",
        action="store_true",
        help="go on with what an interrupted run of the same kind left there; results are kept after each round and section",
    )
    parser.add_argument("--write-docs", action="store_true", help="also write docs/benchmarks.md")
    parser.add_argument(
        "--from", dest="source", type=Path, metavar="JSON", help="measure nothing: write all from these results"
    )
    parser.add_argument(
        "--compare", nargs=2, type=Path, metavar="JSON", help="how far apart two results are, and end"
    )
    parser.add_argument(
        "--list", action="store_true", help="print the names of workloads, programs and sections, and end"
    )
    parser.add_argument("--no-install", action="store_true", help="install no packages")
    return parser.parse_args()


def positive(text):
    number = int(text)
    if number < 1:
        raise ValueError
    return number


def main():
    options = arguments()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends what runs, and writes what there is, as Ctrl-C
    try:
        if options.compare:
            return compare.compare(*(store.read(path) for path in options.compare))
        build = (options.build or ROOT / "build-bench").absolute()
        out = (options.out or build / "results").absolute()
        if options.source:
            results = store.read(options.source)
        else:
            if not options.build:
                make(build)
            with tempfile.TemporaryDirectory(prefix="vmalloc-bench.") as work:
                Path(work).chmod(0o755)  # a server may run as another user
                results = run(options, Machinery(ROOT, build, Path(work)), out)
            if results is None:
                return 0
    except (Failure, OSError, ValueError) as failure:
        print(f"bench/run: {failure}", file=sys.stderr)
        return 2
    return finish(results, out, options)


def make(build):
    """Configures and builds a release with the benchmarks."""
    steps = [["ninja", "-C", build]]
    if not (build / "build.ninja").exists():
        setup = ["meson", "setup", "-Doptimization=2", "-Ddebug=false", "-Dbench=true", "-Dtests=disabled", build, ROOT]
        steps.insert(0, setup)
    for step in steps:
        done = subprocess.run(step, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        if done.returncode != 0:
            raise Failure(f"{step[0]} failed:\n" + done.stdout[-4000:])


def wanted(name, patterns):
    return not patterns or any(fnmatch.fnmatch(name, pattern) for pattern in patterns)


def run(options, machinery, out):
    """Measures everything; the results as one dictionary, None if there was only a list to print."""
    patterns = [word for text in options.only for word in text.split(",") if word]
    found = workloads(machinery, options.quick) + programs.programs(machinery, options.quick)
    found += servers.servers(machinery, options.quick)
    if options.list:
        list_names(found)
        return None
    for pattern in patterns:
        if not fnmatch.filter([*(job.name for job in found), *extras.SECTIONS], pattern):
            raise Failure(f"nothing is called {pattern}; --list shows the names")
    jobs = [job for job in found if wanted(job.name, patterns)]
    left_out = extras.NOT_QUICK if options.quick and not patterns else ()
    sections = [name for name in extras.SECTIONS if wanted(name, patterns) and name not in left_out]
    chosen = options.allocators or (QUICK_ALLOCATORS if options.quick else "")
    compared, absent = allocators.find(machinery, libraries(options.lib), chosen.split(",") if chosen else [])
    announce(compared, absent, jobs)
    present = [job for job in jobs if not job.missing]
    n_rounds = options.rounds or (QUICK_ROUNDS if options.quick else FULL_ROUNDS)
    results = {
        "schema": store.SCHEMA,
        "machine": machine.facts(ROOT),
        "settings": {"rounds": n_rounds, "seed": options.seed, "quick": options.quick, "only": patterns},
        "allocators": [{"name": one.name, "version": one.version} for one in compared],
        "absent": absent,
        "skipped": {job.name: job.missing for job in jobs if job.missing},
        "jobs": [
            {key: getattr(job, key) for key in ("name", "group", "imitates", "why", "time_key")} for job in present
        ],
        "series": {},
        "extras": {},
        "interrupted": True,
    }
    if options.resume:
        store.resume(results, out)
    threaded = [job for job in (present if any(job.threads for job in present) else found) if job.threads]
    results["interrupted"] = not (
        measure_jobs(results, present, compared, not options.quick, out)
        and measure_sections(results, machinery, sections, threaded, compared, out)
    )
    return results


def measure_jobs(results, jobs, compared, more, out):
    """Whether it came to its end. What there is after each round is kept."""

    def keep(series):
        store.put_series(results, series)
        store.write(results, out)

    n_rounds, seed = results["settings"]["rounds"], results["settings"]["seed"]
    series, interrupted = rounds.measure(jobs, compared, n_rounds, seed, more, store.series_of(results), keep)
    store.put_series(results, series)
    return not interrupted


def measure_sections(results, machinery, sections, jobs, compared, out):
    """Whether it came to its end. What there is after each section is kept."""
    quick = results["settings"]["quick"]
    return extras.measure(
        machinery, sections, jobs, compared, quick, results["extras"], lambda: store.write(results, out)
    )


def libraries(words):
    """What --lib says: {name: path}."""
    paths = {}
    for word in words:
        name, _, path = word.partition("=")
        if not name or not path:
            raise Failure(f"--lib wants NAME=PATH, not {word}")
        paths[name] = str(Path(path).absolute())
    return paths


def list_names(jobs):
    for job in jobs:
        print(f"{job.name:16} {job.group:9} {job.missing or job.imitates}")
    for name, about in extras.SECTIONS.items():
        print(f"{name:16} section   {about}")


def announce(compared, absent, jobs):
    for one in compared:
        print(f"{one.name:10} {one.version}")
    for name, why in absent.items():
        print(f"{name:10} absent: {why}")
    for job in jobs:
        if job.missing:
            print(f"{job.name:10} skipped: {job.missing}")
    sys.stdout.flush()


def finish(results, out, options):
    """Writes everything, prints the summary; the exit status."""
    names = [one["name"] for one in results["allocators"]]
    summary = analysis.summarise(results["jobs"], results["series"], names)
    out.mkdir(parents=True, exist_ok=True)
    if not options.source:
        store.write(results, out)
    tables.write_csv(results, out / "results.csv")
    if not shutil.which("gnuplot"):
        print("bench/run: gnuplot is not installed: no figures", file=sys.stderr)
    report.write(results, summary, out)
    if options.write_docs:
        docs.write(results, summary, ROOT / "docs/benchmarks.md")
    print(tables.text(results, summary))
    print("\n" + bars.text(bars.verdicts(results)) + (", in a quick run" if results["settings"]["quick"] else ""))
    print(f"report: {out / 'report.html'}")
    bad = analysis.failures(results["series"]) + extras.failures(results["extras"])
    if results["interrupted"]:
        return 130
    return 1 if bad else 0
