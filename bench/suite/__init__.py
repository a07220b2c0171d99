# SPDX-License-Identifier: MIT
"""What bench/run runs: allocators side by side, in rounds, with figures and a report.

main        the command line, and the order of the steps
machine     what is true of this machine; versions
allocators  the libraries that are compared: found, named, proved to be in effect
process     one command on one library: its output, time and memory
jobs        what a job is, and the workloads of bench/workloads as jobs
programs    real programs that end by themselves, as jobs
servers     real servers with a client, as jobs
rounds      who runs when; progress on the terminal
extras      what is measured beside the rounds: memory over time, threads, memory return, instructions, micro
costs       more of them: start-up, threads that allocate once, heaps of all sizes
statistic   ratios, medians, means, intervals
analysis    from runs to ratios
bars        what the library is to reach, and whether it does
reasons     why it does not where it does not, as far as it is known
palette     colour, dash and marker of each allocator
figures     what each figure shows
plot        gnuplot
report      report.html
docs        docs/benchmarks.md
"""
