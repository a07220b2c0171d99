# SPDX-License-Identifier: MIT
"""Why a bar is not met where it is not, as far as it is known: {key of the bar: {workload: reason}}. Kept by hand: who changes
what a workload costs looks here, too. Shown beside the workload only in runs in which the bar is not met there."""

REASONS = {
    "time-worst": {},
    "memory-worst": {},
    "rest": {},
    "threads": {},
}
