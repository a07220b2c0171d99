# SPDX-License-Identifier: MIT
"""The results in their file: written whole or not at all, and read again to be looked at or gone on with."""
import json
import os

from .process import Failure
from .rounds import Series

SCHEMA = 1
FILE = "results.json"


def read(path):
    results = json.loads(path.read_text(encoding="utf-8"))
    if results.get("schema") != SCHEMA:
        raise Failure(f"{path} was written by another version of the suite")
    return results


def write(results, out):
    """Whenever the suite is ended, by whatever, the file is the one from before or the new one."""
    out.mkdir(parents=True, exist_ok=True)
    fresh = out / (FILE + ".new")
    fresh.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    os.replace(fresh, out / FILE)


def resume(results, out):
    """Puts into results, which are still empty, what an interrupted run of the same kind left behind in the folder: what is in
    its figures, and the day and the machine that they are of."""
    before = read(out / FILE)
    if not before["interrupted"]:
        raise Failure(f"{out / FILE} is of a run that came to its end: nothing is left to go on with")
    for what, old, new in differences(before, results):
        raise Failure(f"{out / FILE} is of another run: its {what}: {old}, not {new}")
    for key in ("machine", "series", "extras"):
        results[key] = before[key]


def differences(before, results):
    """(what, before, now) of all that must be the same for figures to stand side by side."""
    found = [("commit", before["machine"]["commit"], results["machine"]["commit"])]
    found += [(key, before["settings"][key], value) for key, value in results["settings"].items()]
    found += [
        (key, *([one["name"] + one.get("version", "") for one in of[key]] for of in (before, results)))
        for key in ("allocators", "jobs")
    ]
    return [one for one in found if one[1] != one[2]]


def series_of(results):
    """{job: {allocator: Series}} as rounds.measure takes it; empty if nothing was run yet."""
    return {job: {name: Series(**one) for name, one in of_job.items()} for job, of_job in results["series"].items()}


def put_series(results, series):
    results["series"] = {job: {name: one.as_dict() for name, one in of_job.items()} for job, of_job in series.items()}
