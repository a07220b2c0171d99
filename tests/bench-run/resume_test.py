# SPDX-License-Identifier: MIT
"""A run of bench/run that was interrupted, and the one that goes on with it."""
import tempfile
import unittest
from pathlib import Path

from suite import rounds, store
from suite.allocators import Allocator
from suite.jobs import WORKLOAD, Job
from suite.process import Failure

BASE, OTHER = Allocator("glibc", "", ""), Allocator("other", "", "")


class Resumed(unittest.TestCase):
    def measured(self, n_runs):
        """Four rounds of two jobs, interrupted in run number n_runs + 1, on top of what was begun; and how often all was kept."""
        kept = []

        def run(allocator):
            if len(self.ran) == n_runs:
                raise KeyboardInterrupt
            self.ran.append(allocator.name)
            return {"cpu": 1, "checksum": ""}

        jobs = [Job(name, WORKLOAD, "", "", run) for name in ("first", "second")]
        self.ran = []
        found, interrupted = rounds.measure(jobs, [BASE, OTHER], 4, 1, True, self.begun, kept.append)
        return found, interrupted, len(kept)

    def setUp(self):
        self.begun, self.ran = None, []

    def test_only_what_is_missing_is_run(self):
        for n_runs in (0, 1, 4, 7, 15):
            self.begun = None
            found, interrupted, n_kept = self.measured(n_runs)
            self.assertTrue(interrupted)
            self.assertEqual((len(self.ran), n_kept), (n_runs, n_runs // 4))
            self.begun = found
            found, interrupted, _ = self.measured(100)
            self.assertFalse(interrupted)
            self.assertEqual(len(self.ran), 16 - n_runs)
            for of_job in found.values():
                for one in of_job.values():
                    self.assertEqual(sorted(run["round"] for run in one.runs), [1, 2, 3, 4])

    def test_a_further_round_is_ended_for_the_jobs_it_was_begun_for(self):
        """One of two libraries had its run in it: the other gets its own, however certain the job is by now."""
        self.begun, _, _ = self.measured(100)
        self.begun["second"]["other"].runs.append({"round": 5, "cpu": 1, "checksum": ""})
        found, _, _ = self.measured(100)
        self.assertEqual(self.ran, ["glibc"])
        self.assertEqual({len(one.runs) for one in found["second"].values()}, {5})
        self.assertEqual({len(one.runs) for one in found["first"].values()}, {4})


class Stored(unittest.TestCase):
    def results(self, **changed):
        results = {
            "schema": store.SCHEMA,
            "machine": {"commit": "abc", "date": "today"},
            "settings": {"rounds": 2, "only": []},
            "allocators": [{"name": "glibc", "version": "2.36"}],
            "jobs": [{"name": "trees"}],
            "series": {},
            "extras": {},
            "interrupted": True,
        }
        return {**results, **changed}

    def resumed(self, before, **changed):
        results = self.results(**changed)
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder) / "new"
            store.write(before, out)
            store.resume(results, out)
            self.assertEqual([path.name for path in out.iterdir()], [store.FILE])
        return results

    def test_what_was_there_is_taken_over(self):
        one = rounds.Series([{"round": 1, "seconds": 2}], [[0, 1, 2]], "why")
        before = self.results(machine={"commit": "abc", "date": "yesterday"}, extras={"startup": []})
        store.put_series(before, {"trees": {"glibc": one}})
        results = self.resumed(before)
        self.assertEqual(results, before)
        self.assertEqual(store.series_of(results)["trees"]["glibc"].as_dict(), one.as_dict())

    def test_figures_of_other_runs_are_refused(self):
        others = (
            {"machine": {"commit": "abd", "date": ""}},
            {"settings": {"rounds": 3, "only": []}},
            {"settings": {"rounds": 2, "only": ["trees"]}},
            {"allocators": [{"name": "glibc", "version": "2.37"}]},
            {"allocators": []},
            {"jobs": []},
        )
        for other in others:
            with self.subTest(other), self.assertRaisesRegex(Failure, "is of another run: its "):
                self.resumed(self.results(), **other)

    def test_a_whole_run_is_not_gone_on_with(self):
        with self.assertRaisesRegex(Failure, "came to its end"):
            self.resumed(self.results(interrupted=False))

    def test_files_of_another_version_are_refused(self):
        with self.assertRaisesRegex(Failure, "another version"):
            self.resumed(self.results(schema=0))
