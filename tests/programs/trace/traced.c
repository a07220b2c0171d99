/* SPDX-License-Identifier: MIT */
/*
 * traced.c - programs to be recorded, `traced NAME`: run-trace knows what their traces have to be. Each prints nothing,
 * so that no block is the C library's.
 */
#include <fcntl.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MARK = 123456 }; /* size of the block that ends what is looked at, and of nothing else */

static void mark(void)
{
    free(malloc(MARK));
}

/* Each function of the family. */
static void family(void)
{
    mark();
    char *block = malloc(100);
    block = realloc(block, 5000);
    block = realloc(block, 300000);
    void *const zeroed = calloc(7, 11), *const large = calloc(1, 500000);
    void *aligned = NULL;
    posix_memalign(&aligned, 256, 1000);
    void *const other = memalign(64, 40), *const array = reallocarray(NULL, 3, 9);
    malloc_trim(77);
    mallopt(M_MMAP_THRESHOLD, 1 << 20);
    free(block);
    free(zeroed);
    free(large);
    free(aligned);
    free(other);
    free(realloc(array, 0));
    free(NULL);
    mark();
}

/* Contents that must not be in the file, and an address. */
static void secret(void)
{
    uint64_t *const block = malloc(4096);
    memset(block, 0x5a, 4096);
    block[1] = (uintptr_t)block;
    char *const text = malloc(64);
    strcpy(text, "the-secret-text");
    const int file = open("address", O_CREAT | O_WRONLY | O_TRUNC | O_CLOEXEC, 0600);
    if (write(file, &block[1], sizeof block[1]) != sizeof block[1])
        abort();
    close(file);
    mark();
}

static void at_exit(void)
{
    mark();
    _exit(3);
}

static void at_abort(void)
{
    mark();
    abort();
}

static void at_kill(void)
{
    mark();
    raise(SIGKILL);
}

static void at_exec(void)
{
    unsetenv("VMALLOC_TRACE");
    mark();
    execl("/bin/true", "true", (char *)NULL);
}

/* Closes what it does not know, and goes elsewhere. */
static void at_close(void)
{
    for (int file = 3; file < 1024; file++)
        close(file);
    if (chdir("/") != 0)
        abort();
    for (int i = 0; i < 100000; i++)
        free(malloc(10));
    mark();
}

static void wait_for(pid_t child)
{
    int status;
    if (waitpid(child, &status, 0) != child || status != 0)
        abort();
}

/* The child's file begins at its first call; the parent's goes on. */
static void at_fork(void)
{
    char *const before = malloc(1000);
    const pid_t child = fork();
    if (child == 0) {
        free(before);
        free(malloc(2222));
        _exit(0);
    }
    wait_for(child);
    free(before);
    mark();
}

/* A child that nobody tells of: no handler of fork runs. */
static void at_clone(void)
{
    free(malloc(1000));
    const pid_t child = (pid_t)syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL);
    if (child == 0) {
        for (int i = 0; i < 1000; i++)
            free(malloc(2222));
        _exit(0);
    }
    wait_for(child);
    mark();
}

/* A program that is started meanwhile must not take the file. */
static void at_spawn(void)
{
    char *const arguments[] = {"traced", "at_exit", NULL};
    free(malloc(1000));
    const pid_t child = fork();
    if (child == 0) {
        execv("/proc/self/exe", arguments);
        _exit(1);
    }
    int status;
    if (waitpid(child, &status, 0) != child || WEXITSTATUS(status) != 3)
        abort();
    mark();
}

enum { N_THREADS = 4, N_BLOCKS = 20000 };
static void *x_handed[N_THREADS][N_BLOCKS];

/* Blocks of one's own, and those that the thread before left behind. */
static void *hand_on(void *argument)
{
    const size_t self = (size_t)(uintptr_t)argument, other = (self + 1) % N_THREADS;
    for (size_t i = 0; i < N_BLOCKS; i++) {
        void *block = malloc(16 + i % 1000);
        if (i % 3 == 0)
            block = realloc(block, 16 + i % 3000);
        free(__atomic_exchange_n(&x_handed[self][i], block, __ATOMIC_ACQ_REL));
        free(__atomic_exchange_n(&x_handed[other][i], NULL, __ATOMIC_ACQ_REL));
    }
    return NULL;
}

static void threads(void)
{
    for (int round = 0; round < 3; round++) {
        pthread_t thread[N_THREADS];
        for (size_t i = 0; i < N_THREADS; i++)
            if (pthread_create(&thread[i], NULL, hand_on, (void *)(uintptr_t)i) != 0)
                abort();
        for (size_t i = 0; i < N_THREADS; i++)
            pthread_join(thread[i], NULL);
    }
    for (size_t i = 0; i < N_THREADS; i++)
        for (size_t j = 0; j < N_BLOCKS; j++)
            free(x_handed[i][j]);
    mark();
}

/* More than a flight recorder holds. */
static void flight(void)
{
    for (int i = 0; i < 300000; i++)
        free(malloc((size_t)i % 1000));
    mark();
}

/* Something like a program, and deterministic. */
static void work(void)
{
    enum { N = 3000 };
    static void *block[N];
    uint32_t state = 1;
    for (int i = 0; i < 200000; i++) {
        state = state * 1664525 + 1013904223;
        const size_t at = (state >> 8) % N;
        const size_t size = state >> 30 ? (state >> 16) % 2000 : (state >> 12) % 200000;
        if (state & 64) {
            free(block[at]);
            block[at] = malloc(size);
        } else {
            block[at] = realloc(block[at], size + 1);
        }
    }
    mark();
}

static const struct {
    const char *name;
    void (*run)(void);
} programs[] = {
    {"family", family},     {"secret", secret},     {"at_exit", at_exit},   {"at_abort", at_abort},
    {"at_kill", at_kill},   {"at_exec", at_exec},   {"at_close", at_close}, {"at_fork", at_fork},
    {"at_clone", at_clone}, {"at_spawn", at_spawn}, {"threads", threads},   {"flight", flight},
    {"work", work},
};

int main(int argc, char **argv)
{
    for (size_t i = 0; argc == 2 && i < sizeof programs / sizeof *programs; i++)
        if (strcmp(programs[i].name, argv[1]) == 0) {
            programs[i].run();
            return 0;
        }
    return 2;
}
