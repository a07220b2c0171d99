// SPDX-License-Identifier: MIT
//
// shim.cc - see shim.h.
#include "shim.h"
#include <atomic>
#include <benchmark/benchmark.h>
#include <cstring>
#include <string>
#include <vector>

namespace
{

std::atomic<bool> any_failed{false};

benchmark::State *state_of(struct bench_run *run)
{
    return static_cast<benchmark::State *>(run->library);
}

void run_case(benchmark::State &state, const struct bench_case &one)
{
    struct bench_run run = {};
    run.n_iterations = static_cast<std::uint64_t>(state.max_iterations);
    run.argument = one.factor > 0 ? static_cast<std::uint64_t>(state.range(0)) : 0;
    run.thread = state.thread_index();
    run.n_threads = state.threads();
    run.library = &state;
    if (one.prepare != nullptr) {
        one.prepare(&run);
    }
    while (state.KeepRunningBatch(state.max_iterations)) {
        one.body(&run);
    }
    if (one.finish != nullptr) {
        one.finish(&run);
    }
}

} // namespace

void bench_add(const struct bench_case *one)
{
    auto *added = benchmark::RegisterBenchmark(
        one->name, [copy = *one](benchmark::State &state) { run_case(state, copy); });
    if (one->factor > 0) {
        for (std::uint64_t argument = one->first; argument <= one->last; argument *= one->factor) {
            added->Arg(static_cast<std::int64_t>(argument));
        }
    }
    if (one->most_threads > 0) {
        added->ThreadRange(one->least_threads, one->most_threads);
    }
    if (one->n_iterations > 0) {
        added->Iterations(static_cast<benchmark::IterationCount>(one->n_iterations));
    }
    if (one->clock == BENCH_REAL) {
        added->UseRealTime();
    } else if (one->clock == BENCH_TOLD) {
        added->UseManualTime();
    }
}

void bench_add_seconds(struct bench_run *run, double seconds)
{
    state_of(run)->SetIterationTime(seconds);
}

void bench_fail(struct bench_run *run, const char *why)
{
    any_failed = true;
    state_of(run)->SkipWithError(why);
}

int bench_main(int argc, char **argv)
{
    // A tenth of a second a case, unless the command line says otherwise: there are many.
    static char least_time[] = "--benchmark_min_time=0.1";
    std::vector<char *> words(argv, argv + argc);
    words.insert(words.begin() + 1, least_time);
    int n_words = static_cast<int>(words.size());
    words.push_back(nullptr);
    benchmark::Initialize(&n_words, words.data());
    if (benchmark::ReportUnrecognizedArguments(n_words, words.data())) {
        return 2;
    }
    return benchmark::RunSpecifiedBenchmarks() == 0 || any_failed ? 1 : 0;
}
