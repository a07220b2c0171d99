/* SPDX-License-Identifier: MIT */
/*
 * process.c - what begins: a thread with one pair, a process with one pair, and the first malloc of its main.
 *
 * The process is first-malloc, a C program beside this one, so that its start has no C++ library in it. The
 * allocator is preloaded into it as into this program, through the environment.
 */
#include "micro.h"
#include <limits.h>
#include <pthread.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PAIR_BYTES = 64, PROCESSES = 200 };

extern char **environ;
static char child_path[PATH_MAX];

static void *one_pair(void *unused)
{
    void *block = got(malloc(PAIR_BYTES));
    mark(block, PAIR_BYTES, 1);
    free(block);
    return unused;
}

static void thread_start(struct bench_run *run)
{
    for (uint64_t i = 0; i < run->n_iterations; i++) {
        pthread_t thread;
        if (pthread_create(&thread, NULL, one_pair, NULL) != 0 || pthread_join(thread, NULL) != 0) {
            bench_fail(run, "no thread");
            return;
        }
    }
}

/* Runs the program with its standard output into a pipe; the nanoseconds that it wrote, or 0. */
static uint64_t run_child(void)
{
    uint64_t nanoseconds = 0;
    int pipe_ends[2], status = 1;
    pid_t child;
    char *words[] = {child_path, NULL};
    posix_spawn_file_actions_t actions;
    if (pipe(pipe_ends) != 0) {
        return 0;
    }
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, pipe_ends[1], STDOUT_FILENO);
    posix_spawn_file_actions_addclose(&actions, pipe_ends[0]);
    posix_spawn_file_actions_addclose(&actions, pipe_ends[1]);
    bool is_started = posix_spawn(&child, child_path, &actions, NULL, words, environ) == 0;
    posix_spawn_file_actions_destroy(&actions);
    close(pipe_ends[1]);
    bool is_read = read(pipe_ends[0], &nanoseconds, sizeof nanoseconds) == (ssize_t)sizeof nanoseconds;
    close(pipe_ends[0]);
    return is_started && waitpid(child, &status, 0) == child && status == 0 && is_read ? nanoseconds : 0;
}

static void process(struct bench_run *run)
{
    for (uint64_t i = 0; i < run->n_iterations; i++) {
        if (run_child() == 0) {
            bench_fail(run, "first-malloc does not run");
            return;
        }
    }
}

static void first_malloc(struct bench_run *run)
{
    uint64_t sum = 0;
    for (uint64_t i = 0; i < run->n_iterations; i++) {
        uint64_t nanoseconds = run_child();
        if (nanoseconds == 0) {
            bench_fail(run, "first-malloc does not run");
            return;
        }
        sum += nanoseconds;
    }
    bench_add_seconds(run, (double)sum / 1e9);
}

/* first-malloc beside this program. */
static void find_child(void)
{
    static const char name[] = "first-malloc";
    ssize_t length = readlink("/proc/self/exe", child_path, sizeof child_path - sizeof name);
    child_path[length < 0 ? 0 : length] = '\0';
    char *slash = strrchr(child_path, '/');
    memcpy(slash == NULL ? child_path : slash + 1, name, sizeof name);
}

void add_process_cases(void)
{
    find_child();
    bench_add(&(struct bench_case){.name = "thread-start", .body = thread_start, .clock = BENCH_REAL});
    bench_add(&(struct bench_case){
        .name = "process", .body = process, .clock = BENCH_REAL, .n_iterations = PROCESSES});
    bench_add(&(struct bench_case){
        .name = "first-malloc", .body = first_malloc, .clock = BENCH_TOLD, .n_iterations = PROCESSES});
}
