/* SPDX-License-Identifier: MIT */
/*
 * random-loop.c - random replacement of blocks of 16..1024 bytes: `random-loop THREADS BLOCKS STEPS
 * own|shared`.
 *
 * Each thread makes STEPS steps: it picks one of BLOCKS slots, checks the stamp of the block there, frees
 * it and puts a new block of a random size in its place, stamped in its first 16 bytes. With "own" each
 * thread has slots of its own, with "shared" all threads swap blocks in one set, so that most blocks are
 * freed by another thread than the one that allocated them. The clock runs from the first step to the last
 * free.
 *
 * Prints one line: microseconds by the clock and of the processors, RSS in KiB at the start, at its peak
 * and after the last free, and the file that malloc comes from. Status 1 and a message if a stamp is wrong
 * or an allocation fails.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

enum { MAX_THREADS = 64, MAX_BLOCKS = 1 << 20, LEAST_BYTES = 16, MOST_BYTES = 1024 };

/* The first bytes of each block. `size` names the block, `check` the slot and the size together. */
struct stamp {
    uint64_t size;
    uint64_t check;
};

struct worker {
    pthread_t thread;
    struct stamp **slots;
    uint64_t seed;
};

static struct stamp *sets[MAX_THREADS][MAX_BLOCKS]; /* .bss: only what is used is resident */
static struct worker workers[MAX_THREADS];
static pthread_barrier_t start, finish;
static long n_blocks, n_steps;
static int n_threads;

static void die(const char *message)
{
    (void)!write(STDERR_FILENO, message, strlen(message));
    _exit(1);
}

/* xorshift64*, Vigna 2014. */
static inline uint64_t step(uint64_t *state)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * 2685821657736338717u;
}

static inline uint64_t check_of(const struct stamp *block)
{
    return (uint64_t)(uintptr_t)block * 31 + block->size;
}

static inline void release(struct stamp *block)
{
    if (block != NULL &&
        (block->check != check_of(block) || block->size - LEAST_BYTES > MOST_BYTES - LEAST_BYTES)) {
        die("random-loop: a live block was overwritten\n");
    }
    free(block);
}

static void *work(void *argument)
{
    const struct worker *worker = argument;
    uint64_t state = worker->seed;
    pthread_barrier_wait(&start);
    for (long i = 0; i < n_steps; i++) {
        uint64_t random = step(&state);
        size_t slot = (size_t)(((random >> 32) * (uint64_t)n_blocks) >> 32);
        size_t size = LEAST_BYTES + (size_t)(((random & UINT32_MAX) * (MOST_BYTES - LEAST_BYTES + 1)) >> 32);
        struct stamp *block = malloc(size);
        if (block == NULL) {
            die("random-loop: malloc returned NULL\n");
        }
        block->size = size;
        block->check = check_of(block);
        release(__atomic_exchange_n(&worker->slots[slot], block, __ATOMIC_ACQ_REL));
    }
    pthread_barrier_wait(&finish); /* with shared slots: nobody swaps any more */
    for (long i = 0; i < n_blocks; i++) {
        release(__atomic_exchange_n(&worker->slots[i], NULL, __ATOMIC_ACQ_REL));
    }
    return NULL;
}

/* One line of /proc/self/status, in KiB, read without allocating. */
static long status_kib(const char *name)
{
    static char text[8192];
    int fd = open("/proc/self/status", O_RDONLY);
    ssize_t n_read = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
    if (n_read <= 0) {
        die("random-loop: cannot read /proc/self/status\n");
    }
    close(fd);
    text[n_read] = '\0';
    const char *line = strstr(text, name);
    if (line == NULL) {
        die("random-loop: /proc/self/status lacks a line\n");
    }
    return strtol(line + strlen(name), NULL, 10);
}

int main(int argc, char **argv)
{
    if (argc != 5 || (strcmp(argv[4], "own") != 0 && strcmp(argv[4], "shared") != 0)) {
        die("usage: random-loop THREADS BLOCKS STEPS own|shared\n");
    }
    n_threads = atoi(argv[1]);
    n_blocks = atol(argv[2]);
    n_steps = atol(argv[3]);
    if (n_threads < 1 || n_threads > MAX_THREADS || n_blocks < 1 || n_blocks > MAX_BLOCKS || n_steps < 1) {
        die("random-loop: number out of range\n");
    }
    Dl_info origin;
    void *(*allocate)(size_t) = malloc;
    void *address;
    memcpy(&address, &allocate, sizeof address);
    if (dladdr(address, &origin) == 0) {
        die("random-loop: cannot tell where malloc comes from\n");
    }
    long start_kib = status_kib("VmRSS:");
    struct timespec began, ended;
    pthread_barrier_init(&start, NULL, (unsigned)n_threads);
    pthread_barrier_init(&finish, NULL, (unsigned)n_threads);
    for (int i = 0; i < n_threads; i++) {
        workers[i].slots = sets[strcmp(argv[4], "own") == 0 ? i : 0];
        workers[i].seed = 0x9e3779b97f4a7c15u * (uint64_t)(i + 1);
    }
    clock_gettime(CLOCK_MONOTONIC, &began);
    for (int i = 1; i < n_threads; i++) {
        if (pthread_create(&workers[i].thread, NULL, work, &workers[i]) != 0) {
            die("random-loop: cannot start a thread\n");
        }
    }
    work(&workers[0]); /* the main thread is one of them; with one thread the process stays single-threaded */
    for (int i = 1; i < n_threads; i++) {
        pthread_join(workers[i].thread, NULL);
    }
    clock_gettime(CLOCK_MONOTONIC, &ended);
    long end_kib = status_kib("VmRSS:");
    long peak_kib = status_kib("VmHWM:");
    long long us =
        (long long)(ended.tv_sec - began.tv_sec) * 1000000 + (ended.tv_nsec - began.tv_nsec) / 1000;
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    long long cpu_us = (long long)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000 +
                       usage.ru_utime.tv_usec + usage.ru_stime.tv_usec;
    printf("%lld %lld %ld %ld %ld %s\n", us, cpu_us, start_kib, peak_kib, end_kib, origin.dli_fname);
    return 0;
}
