/* SPDX-License-Identifier: MIT */
/*
 * launch.c - runs one command on a preloaded library and reports what it took: `launch [--at-exit] FD PRELOAD COMMAND ARGS...`.
 *
 * A process that execs begins with the peak resident set of the process that it was forked from. A large starter, such
 * as an interpreter, would so hide the peak of every small program; this one is smaller than all of them. It is not
 * run on the library itself: PRELOAD, which may be empty, becomes LD_PRELOAD of the command alone.
 *
 * To the descriptor FD, which the command does not inherit, go lines "key=value": seconds by the clock, cpu (user and
 * system, with all children that were waited for), rss_peak (KiB, the largest single process among them). Signals that
 * ask for an end are passed on. Ends as the command ended: with its status, or by its signal.
 *
 * The kernel's count of the peak may be hundreds of KiB off (since Linux 6.2 each processor keeps a part of it to itself). With
 * --at-exit the command is traced, and stopped once more as it ends: rss_exit is what is resident then, in KiB, counted page by
 * page. It costs time; seconds and cpu are of no use then.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
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
_Noreturn static void become(const char *preload, char **command, bool is_traced)
{
    if (is_traced && ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0) {
        perror("launch: ptrace");
        _exit(CANNOT_START);
    }
    if (*preload != '\0') {
        setenv("LD_PRELOAD", preload, 1);
    }
    execvp(command[0], command);
    perror(command[0]);
    _exit(CANNOT_START);
}

/* KiB that are resident; -1: not to be had. */
static long resident(pid_t pid)
{
    char name[64], line[256];
    snprintf(name, sizeof name, "/proc/%d/smaps_rollup", (int)pid);
    FILE *const file = fopen(name, "r");
    long kib = -1;
    while (file && kib < 0 && fgets(line, sizeof line, file)) {
        sscanf(line, "Rss: %ld kB", &kib);
    }
    if (file) {
        fclose(file);
    }
    return kib;
}

/* Lets a traced command that has stopped go on. At its very end this sets *kib to what is resident. */
static void go_on(pid_t pid, int status, long *kib)
{
    const long options = PTRACE_O_TRACEEXIT;
    const int signal_number = WSTOPSIG(status) == SIGTRAP ? 0 : WSTOPSIG(status);
    if (status >> 16 == PTRACE_EVENT_EXIT) {
        *kib = resident(pid);
    }
    ptrace(PTRACE_SETOPTIONS, pid, NULL, (void *)options); /* a number, by the interface */
    ptrace(PTRACE_CONT, pid, NULL, (void *)(long)signal_number);
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
    const bool is_traced = argc > 1 && strcmp(argv[1], "--at-exit") == 0;
    argv += is_traced;
    argc -= is_traced;
    if (argc < 4) {
        fputs("usage: launch [--at-exit] FD PRELOAD COMMAND ARGS...\n", stderr);
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
        become(argv[2], argv + 3, is_traced);
    }
    child = pid;
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    sigprocmask(SIG_SETMASK, &before, NULL);
    long exit_kib = -1;
    int status;
    struct rusage usage;
    do {
        while (wait4(pid, &status, 0, &usage) < 0) {
            if (errno != EINTR) {
                perror("launch: wait4");
                return 2;
            }
        }
        if (WIFSTOPPED(status)) {
            go_on(pid, status, &exit_kib);
        }
    } while (WIFSTOPPED(status));
    child = 0;
    dprintf(report, "seconds=%.6f\ncpu=%.6f\nrss_peak=%ld\n", now() - start,
            seconds_of(usage.ru_utime) + seconds_of(usage.ru_stime), usage.ru_maxrss);
    if (exit_kib >= 0) {
        dprintf(report, "rss_exit=%ld\n", exit_kib);
    }
    return end_like(status);
}
