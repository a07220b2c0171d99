# SPDX-License-Identifier: MIT
"""The arithmetic and the order of bench/suite, on numbers that are known."""
import random
import unittest

from suite import analysis, plot, rounds, statistic
from suite.allocators import Allocator
from suite.jobs import WORKLOAD, Job
from suite.process import Failure

BASE, OTHER = Allocator("glibc", "", ""), Allocator("other", "", "")


def runs(*seconds):
    return [{"round": number + 1, "cpu": value, "rss_peak": 1000} for number, value in enumerate(seconds)]


def series(base, other, failure=""):
    return {"job": {"glibc": {"runs": base, "failure": ""}, "other": {"runs": other, "failure": failure}}}


def summary(*arguments):
    jobs = [{"name": "job", "group": WORKLOAD, "time_key": "cpu"}]
    return analysis.summarise(jobs, series(*arguments), ["glibc", "other"])


class Ratios(unittest.TestCase):
    def test_are_taken_within_a_round(self):
        """The machine is ten times slower in the second round: no ratio may be across it."""
        one = summary(runs(1, 10, 1), runs(0.5, 5, 0.5))["jobs"]["job"]["other"]["time"]
        self.assertEqual((one["ratio"], one["low"], one["high"]), (0.5, 0.5, 0.5))

    def test_leave_out_rounds_that_one_of_them_missed(self):
        self.assertEqual(statistic.paired_ratios(runs(2, 4, 6)[1:], runs(1, 1), "cpu"), [4])

    def test_intervals_hold_the_median(self):
        ratios = [1.0, 1.2, 0.9, 1.1, 1.3]
        one = statistic.estimate(ratios)
        self.assertEqual(one["ratio"], 1.1)
        self.assertTrue(0.9 <= one["low"] < 1.1 < one["high"] <= 1.3)

    def test_wider_for_noisier_runs(self):
        noisy, calm = statistic.estimate([0.5, 1, 1.5, 0.7, 1.3]), statistic.estimate([0.99, 1, 1.01, 1, 1])
        self.assertGreater(noisy["high"] - noisy["low"], calm["high"] - calm["low"])

    def test_the_mean_is_geometric(self):
        mean = statistic.mean_estimate([[2.0] * 5, [0.5] * 5])
        self.assertAlmostEqual(mean["ratio"], 1)
        self.assertAlmostEqual(mean["low"], 1)

    def test_an_interval_leaves_out_a_fortieth_at_each_end(self):
        self.assertEqual(statistic.interval(list(range(1000))), (25, 974))


class Failures(unittest.TestCase):
    def test_who_failed_has_neither_ratio_nor_mean(self):
        found = summary(runs(1, 1), runs(0.1), "wrong memory")
        self.assertIsNone(found["jobs"]["job"]["other"]["time"])
        self.assertIsNone(found["means"]["all"]["other"]["time"])
        self.assertEqual(found["means"]["all"]["other"]["failed"], ["job"])

    def test_a_failure_in_one_job_takes_the_mean_of_all_away(self):
        jobs = [{"name": name, "group": WORKLOAD, "time_key": "cpu"} for name in ("job", "second")]
        both = {**series(runs(1), runs(1), "crashed"), "second": series(runs(1), runs(0.1))["job"]}
        means = analysis.summarise(jobs, both, ["glibc", "other"])["means"]["all"]
        self.assertIsNone(means["other"]["time"])
        self.assertEqual(means["glibc"]["time"]["jobs"], 2)

    def test_another_checksum_is_a_failure(self):
        one = measured(lambda allocator: {"cpu": 1, "checksum": "a" if allocator is BASE else "b"})
        self.assertIn("b is not a", one["job"]["other"].failure)
        self.assertEqual(one["job"]["glibc"].failure, "")

    def test_a_base_that_differs_from_itself_is_a_failure(self):
        words = iter("abcdefgh")
        one = measured(lambda allocator: {"cpu": 1, "checksum": next(words)})
        self.assertNotEqual(one["job"]["glibc"].failure, "")

    def test_who_failed_once_is_not_run_again(self):
        calls = []

        def run(allocator):
            calls.append(allocator.name)
            if allocator is OTHER:
                raise Failure("once")
            return {"cpu": 1, "checksum": ""}

        one = measured(run, n_rounds=3)
        self.assertEqual(calls.count("other"), 1)
        self.assertEqual(len(one["job"]["glibc"].runs), 3)
        self.assertEqual(one["job"]["other"].failure, "once")


def measured(run, n_rounds=2, n_jobs=1):
    jobs = [Job("job" if n_jobs == 1 else f"job {number}", WORKLOAD, "", "", run) for number in range(n_jobs)]
    return rounds.measure(jobs, [BASE, OTHER], n_rounds, seed=1)[0]


class Order(unittest.TestCase):
    def test_the_libraries_of_a_job_follow_each_other_in_changing_order(self):
        calls = []

        def run(allocator):
            calls.append(allocator.name)
            return {"cpu": 1, "checksum": ""}

        measured(run, n_rounds=8, n_jobs=2)
        pairs = [tuple(calls[index : index + 2]) for index in range(0, len(calls), 2)]
        self.assertEqual(len(pairs), 16)
        self.assertEqual(set(pairs), {("glibc", "other"), ("other", "glibc")})


class MoreRounds(unittest.TestCase):
    def runs_of(self, *seconds, more=True):
        """How often a job is run if its seconds on the other library are these, again and again; on the base always 1."""
        clock = iter(seconds * 10)

        def run(allocator):
            return {"cpu": 1 if allocator is BASE else next(clock), "checksum": ""}

        jobs = [Job("job", WORKLOAD, "", "", run)]
        return len(rounds.measure(jobs, [BASE, OTHER], 4, seed=1, more=more)[0]["job"]["glibc"].runs)

    def test_come_for_what_is_uncertain(self):
        self.assertEqual(self.runs_of(1, 2, 1.5), 8)

    def test_do_not_come_for_what_is_certain(self):
        self.assertEqual(self.runs_of(2, 2.01, 2.02), 4)

    def test_do_not_come_unless_asked_for(self):
        self.assertEqual(self.runs_of(1, 2, 1.5, more=False), 4)


class Labels(unittest.TestCase):
    def test_names_at_the_ends_of_lines_never_lie_on_each_other(self):
        generator = random.Random(1)
        for _ in range(200):
            power = generator.choice((0.2, 1, 5))  # crowded at the top, evenly, at the bottom
            ends = {str(number): generator.random() ** power for number in range(6)}
            placed = plot.spread_out(ends)
            heights = sorted(placed.values())
            self.assertTrue(all(b - a > plot.LABEL_GAP - 1e-9 for a, b in zip(heights, heights[1:])))
            self.assertEqual(sorted(ends, key=ends.get), sorted(placed, key=placed.get))

    def test_names_beside_points_lie_on_no_other_name_and_on_no_bar(self):
        spots = {"one": (0.5, 0.5), "two": (0.52, 0.53), "three": (0.5, 0.48), "four": (0.2, 0.2)}
        ends = {name: ((x - 0.2, x + 0.2), (y, y)) for name, (x, y) in spots.items()}
        placed = plot.names_beside(spots, ends)
        self.assertEqual(len({(side, round(y, 3)) for _, y, side in placed.values()}), 4)
        for name, (_, y, _) in placed.items():
            for other in spots:
                self.assertGreater(abs(y - spots[other][1]), 0.02, f"{name} on the bar of {other}")

    def test_names_lie_apart_where_bars_are_everywhere(self):
        spots = {"glibc": (0.4, 0.5), "plain": (0.4, 0.5), "left": (0.37, 0.5), "right": (0.43, 0.5)}
        placed = plot.names_beside(spots, dict.fromkeys(spots, ((0.3, 0.5), (0.0, 1.0))))
        self.assertNotEqual(placed["glibc"], placed["plain"])

    def test_names_beside_points_at_the_edge_stay_inside(self):
        placed = plot.names_beside({"one": (0.5, 0.5), "leftmost": (0.05, 0.5)}, {"one": ((0.1, 0.9), (0.5, 0.5)), "leftmost": ((0.04, 0.06), (0.4, 0.6))})
        self.assertEqual("left", placed["leftmost"][2])  # begins at the point, as it would end beyond the axis else
        placed = plot.names_beside({"rightmost": (0.97, 0.5)}, {"rightmost": ((0.96, 0.98), (0.5, 0.5))})
        self.assertEqual("right", placed["rightmost"][2])


if __name__ == "__main__":
    unittest.main()
