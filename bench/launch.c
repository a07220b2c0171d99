/* SPDX-License-Identifier: MIT */
/*
 * launch.c - runs one command on a preloaded library and reports what it took: `launch FD PRELOAD COMMAND ARGS...`.
 *
 * A process that execs begins with the peak resident set of the process that it was forked from. A large starter, such
 * as an interpreter, would so hide the peak of every small program; this one is smaller than all of them. It is not
 * run on the library itself: PRELOAD, which may be empty, becomes LD_PRELOAD of the command alone.
 *
 * To the descriptor FD, which the command does not inherit, go lines "key=value": seconds by the clock, cpu (user and
 * system, with all children that were waited for), rss_peak (KiB, the largest single process among them). Signals that
 * ask for an end are passed on. Ends as the command ended: with its status, or by its signal.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { CANNOT_START = 127 };

static volatile sig_atomic_t child;

static void pass_on(int signal_number)
{
    if (child > 0) {
        kill((pid_t)child, signal_number);
    }
}

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

static double seconds_of(struct timeval time)
{
    return (double)time.tv_sec + (double)time.tv_usec * 1e-6;
}

/* In the child: becomes the command. */
_Noreturn static void become(const char *preload, char **command)
{
    if (*preload != '\0') {
        setenv("LD_PRELOAD", preload, 1);
    }
    execvp(command[0], command);
    perror(command[0]);
    _exit(CANNOT_START);
}

/* Ends this process as the child ended. */
static int end_like(int status)
{
    if (!WIFSIGNALED(status)) {
        return WEXITSTATUS(status);
    }
    const struct rlimit no_core = {0, 0};
    setrlimit(RLIMIT_CORE, &no_core);
    signal(WTERMSIG(status), SIG_DFL);
    raise(WTERMSIG(status));
    return 128 + WTERMSIG(status);
}

int main(int argc, char **argv)
{
    if (argc < 4) {
        fputs("usage: launch FD PRELOAD COMMAND ARGS...\n", stderr);
        return 2;
    }
    int report = atoi(argv[1]);
    if (fcntl(report, F_SETFD, FD_CLOEXEC) != 0) {
        perror("launch: the descriptor of the report");
        return 2;
    }
    /* A signal between the fork and the assignment waits until there is somebody to pass it on to. */
    sigset_t asked_to_end, before;
    sigemptyset(&asked_to_end);
    sigaddset(&asked_to_end, SIGTERM);
    sigaddset(&asked_to_end, SIGINT);
    sigprocmask(SIG_BLOCK, &asked_to_end, &before);
    const struct sigaction action = {.sa_handler = pass_on, .sa_flags = SA_RESTART};
    double start = now();
    pid_t pid = fork();
    if (pid < 0) {
        perror("launch: fork");
        return 2;
    }
    if (pid == 0) {
        sigprocmask(SIG_SETMASK, &before, NULL);
        become(argv[2], argv + 3);
    }
    child = pid;
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    sigprocmask(SIG_SETMASK, &before, NULL);
    int status;
    struct rusage usage;
    while (wait4(pid, &status, 0, &usage) < 0) {
        if (errno != EINTR) {
            perror("launch: wait4");
            return 2;
        }
    }
    child = 0;
    dprintf(report, "seconds=%.6f\ncpu=%.6f\nrss_peak=%ld\n", now() - start,
            seconds_of(usage.ru_utime) + seconds_of(usage.ru_stime), usage.ru_maxrss);
    return end_like(status);
}
