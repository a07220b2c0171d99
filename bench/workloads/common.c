/* SPDX-License-Identifier: MIT */
/*
 * common.c - main() of all workloads: NAME [--quick] [--threads N] | --describe
 *
 * Prints key=value lines. rss_start, rss_peak and rss_end are KiB before the measured phase, at most, and
 * right after the last free; rss_floor a second later, in which nothing is called; rss_own the part of it that
 * is this program's static data; threads_end how many threads there are then. With VMBENCH_SAMPLES=FD, lines "sample SECONDS LIVE_BYTES RSS_KIB" go to that descriptor about ten times a second.
 */
#include "common.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

enum { QUICK_PART = 6, SAMPLE_NS = 100 * 1000 * 1000, SAMPLES_OF_REST = 10 };

struct worker workers[MOST_THREADS];
int n_threads;
static bool is_quick;
static int samples_fd = -1;
static int status_fd;
static pid_t process;
static uint64_t started_ns, next_sample_ns;
static int64_t peak_live;

/* Only one thread of this process writes why; a child only ends, and its parent says so. */
_Noreturn void fail(const char *why)
{
    static bool is_failing;
    if (getpid() != process) {
        _exit(1);
    }
    while (__atomic_exchange_n(&is_failing, true, __ATOMIC_RELAXED)) {
        pause();
    }
    char text[200];
    int length = snprintf(text, sizeof text, "name=%s\nstatus=failed: %s\n", workload.name, why);
    (void)!write(STDOUT_FILENO, text, (size_t)length);
    _exit(1);
}

/* ---- clocks and resident memory ---- */

uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static double cpu_seconds(int who)
{
    struct rusage usage;
    getrusage(who, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

long status_number(const char *name)
{
    static char text[8192];
    ssize_t n_read = pread(status_fd, text, sizeof text - 1, 0);
    text[n_read < 0 ? 0 : n_read] = '\0';
    const char *line = strstr(text, name);
    if (line == NULL) {
        fail("cannot read /proc/self/status");
    }
    return strtol(line + strlen(name), NULL, 10);
}

/* What is resident of the pages between the linker's marks, in KiB: the arrays in which programs keep their
   blocks. No allocator can do anything about them. */
static long own_kib(void)
{
    extern char __bss_start[], _end[];
    static unsigned char is_resident[4096];
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), n_resident = 0;
    uintptr_t at = ((uintptr_t)__bss_start + page - 1) / page * page;
    for (uintptr_t next; at < (uintptr_t)_end; at = next) {
        uintptr_t left = ((uintptr_t)_end - at + page - 1) / page;
        uintptr_t n_pages = left < sizeof is_resident ? left : sizeof is_resident;
        next = at + n_pages * page;
        if (mincore((void *)at, n_pages * page, is_resident) != 0) {
            fail("cannot tell which pages are resident");
        }
        for (uintptr_t i = 0; i < n_pages; i++) {
            n_resident += is_resident[i] & 1;
        }
    }
    return (long)(n_resident * page / 1024);
}

static int64_t live_bytes(void)
{
    int64_t sum = 0;
    for (int i = 0; i < MOST_THREADS; i++) {
        sum += __atomic_load_n(&workers[i].live, __ATOMIC_RELAXED);
    }
    return sum;
}

/* ---- samples ---- */

static void write_sample(uint64_t at_ns, int64_t live)
{
    char text[100];
    uint64_t us = (at_ns - started_ns) / 1000;
    int length = snprintf(text, sizeof text, "sample %lu.%06lu %lld %ld\n", (unsigned long)(us / 1000000),
                          (unsigned long)(us % 1000000), (long long)live, status_number("VmRSS:"));
    if (write(samples_fd, text, (size_t)length) != length) {
        fail("cannot write a sample");
    }
}

void watch(void)
{
    int64_t live = live_bytes();
    if (live > peak_live) {
        peak_live = live;
    }
    if (samples_fd >= 0) {
        uint64_t at = now_ns();
        if (at >= next_sample_ns) {
            write_sample(at, live);
            next_sample_ns = at + SAMPLE_NS;
        }
    }
}

/* A second in which nothing is called; the samples go on. */
static void rest(int64_t live)
{
    for (int i = 0; i < SAMPLES_OF_REST; i++) {
        if (samples_fd >= 0) {
            write_sample(now_ns(), live);
        }
        nanosleep(&(struct timespec){.tv_nsec = SAMPLE_NS}, NULL);
    }
}

/* ---- workers ---- */

uint64_t steps_of(uint64_t full)
{
    return is_quick ? full / QUICK_PART : full;
}

void start_thread(pthread_t *thread, void *(*body)(void *), void *argument)
{
    if (pthread_create(thread, NULL, body, argument) != 0) {
        fail("cannot start a thread");
    }
}

void join_thread(pthread_t thread)
{
    if (pthread_join(thread, NULL) != 0) {
        fail("cannot join a thread");
    }
}

static void (*work_of_all)(struct worker *worker);

static void *thread_body(void *worker)
{
    work_of_all(worker);
    return NULL;
}

void run_workers(int n, void (*work)(struct worker *worker))
{
    work_of_all = work;
    for (int i = 1; i < n; i++) {
        start_thread(&workers[i].thread, thread_body, &workers[i]);
    }
    work(&workers[0]);
    for (int i = 1; i < n; i++) {
        join_thread(workers[i].thread);
    }
}

/* ---- main ---- */

static void describe(void)
{
    printf("name=%s\nimitates=%s\nwhy=%s\nafter=%s\nthreads=%d\n", workload.name, workload.imitates,
           workload.why, workload.after, workload.n_threads);
}

static _Noreturn void usage(void)
{
    fprintf(stderr, "usage: %s [--quick]%s | --describe; VMBENCH_SAMPLES is an open descriptor\n",
            workload.name, workload.n_threads > 0 ? " [--threads 1..64]" : "");
    exit(2);
}

/* The whole text as a number of least..most. */
static int number(const char *text, int least, int most)
{
    char *end;
    errno = 0;
    long value = strtol(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || value < least || value > most) {
        usage();
    }
    return (int)value;
}

static void read_arguments(int argc, char **argv)
{
    n_threads = workload.n_threads;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--quick") == 0) {
            is_quick = true;
        } else if (strcmp(argv[i], "--threads") == 0 && i + 1 < argc && workload.n_threads > 0) {
            n_threads = number(argv[++i], 1, MOST_THREADS);
        } else {
            usage();
        }
    }
    const char *samples = getenv("VMBENCH_SAMPLES");
    if (samples != NULL) {
        samples_fd = number(samples, 0, 1 << 20);
    }
}

struct results {
    double seconds, cpu;
    long start_kib, peak_kib, end_kib, floor_kib, own_kib, n_threads;
};

static void print_results(const struct results *results)
{
    uint64_t n_ops = 0, checksum = 0;
    for (int i = 0; i < MOST_THREADS; i++) {
        n_ops += workers[i].n_ops;
        checksum += workers[i].checksum;
    }
    printf("name=%s\nops=%llu\nseconds=%.6f\ncpu=%.6f\n", workload.name, (unsigned long long)n_ops,
           results->seconds, results->cpu);
    printf("peak_live=%lld\nrss_start=%ld\nrss_peak=%ld\nrss_end=%ld\nrss_floor=%ld\n", (long long)peak_live,
           results->start_kib, results->peak_kib, results->end_kib, results->floor_kib);
    printf("rss_own=%ld\nthreads_end=%ld\n", results->own_kib, results->n_threads);
    if (workload.report != NULL) {
        workload.report();
    }
    printf("live_end=%lld\nchecksum=%016llx\nstatus=ok\n", (long long)live_bytes(),
           (unsigned long long)checksum);
}

int main(int argc, char **argv)
{
    static char buffer[4096];
    setvbuf(stdout, buffer, _IOFBF, sizeof buffer);
    if (argc == 2 && strcmp(argv[1], "--describe") == 0) {
        describe();
        return 0;
    }
    read_arguments(argc, argv);
    process = getpid();
    status_fd = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
    for (int i = 0; i < MOST_THREADS; i++) {
        workers[i].index = i;
        workers[i].rng.state = mix((uint64_t)i + 1);
    }
    nanosleep(&(struct timespec){0},
              NULL); /* its page of the C library is resident before the first figure */
    struct results results = {.start_kib = status_number("VmRSS:")};
    double start_cpu = cpu_seconds(RUSAGE_SELF);
    started_ns = now_ns();
    workload.run();
    results.seconds = (double)(now_ns() - started_ns) / 1e9;
    results.cpu = cpu_seconds(RUSAGE_SELF) - start_cpu + cpu_seconds(RUSAGE_CHILDREN);
    results.end_kib = status_number("VmRSS:");
    results.peak_kib = status_number("VmHWM:");
    rest(live_bytes());
    results.floor_kib = status_number("VmRSS:");
    results.own_kib = own_kib();
    results.n_threads = status_number("Threads:");
    print_results(&results);
    return fflush(stdout) == 0 ? 0 : 1;
}
