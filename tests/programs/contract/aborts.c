/* SPDX-License-Identifier: MIT */
/*
 * aborts.c - misuse that glibc documents or diagnoses: what the first line of the message begins with, as
 * tools match it, and SIGABRT. The whole text of every message is asserted by the suite misuse.
 */
#include <pthread.h>
#include <setjmp.h>

#include "case.h"

static void (*volatile do_free)(void *) = free;
static void *(*volatile do_realloc)(void *, size_t) = realloc;
static void *(*volatile do_malloc)(size_t) = malloc;

/* What a child that ran `misuse` printed on stderr; how it ended in *status. */
static const char *run_misuse(void (*misuse)(void), int *status)
{
    static char text[4097];
    int ends[2];
    REQUIRE(pipe(ends) == 0);
    pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        dup2(ends[1], 2);
        misuse();
        _exit(0);
    }
    close(ends[1]);
    size_t n_bytes = 0;
    for (ssize_t got; (got = read(ends[0], text + n_bytes, sizeof text - 1 - n_bytes)) > 0;)
        n_bytes += (size_t)got;
    close(ends[0]);
    text[n_bytes] = '\0';
    REQUIRE(waitpid(child, status, 0) == child);
    return text;
}

static void expect_abort(void (*misuse)(void), const char *wanted)
{
    int status;
    const char *text = run_misuse(misuse, &status);
    EXPECT_NOTE(strncmp(text, wanted, strlen(wanted)) == 0, "it said: %.200s", text);
    EXPECT_NOTE(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT, "it ended with 0x%x", status);
}

static void expect_well(void (*harmless)(void))
{
    int status;
    const char *text = run_misuse(harmless, &status);
    EXPECT_NOTE(text[0] == '\0', "it said: %.200s", text);
    EXPECT_NOTE(WIFEXITED(status) && WEXITSTATUS(status) == 0, "it ended with 0x%x", status);
}

static char static_area[256] __attribute__((aligned(64)));

static void free_twice(void)
{
    char *block = do_malloc(20);
    do_free(block);
    do_free(block);
}

CASE(double_free, "5.a 5.b", "a block freed twice at once: double free detected")
{
    expect_abort(free_twice, "free(): double free detected");
}

static void free_twice_of_many(void)
{
    void *blocks[20];
    for (size_t i = 0; i < 20; i++)
        blocks[i] = do_malloc(20);
    for (size_t i = 0; i < 20; i++)
        do_free(blocks[i]);
    do_free(blocks[5]);
    do_free(blocks[15]);
}

CASE(double_free_of_many, "5.a 5.b", "among many freed ones too")
{
    expect_abort(free_twice_of_many, "free(): double free detected");
}

static void free_twice_with_others_between(void)
{
    void *blocks[20];
    for (size_t i = 0; i < 20; i++)
        blocks[i] = do_malloc(20);
    void *block = do_malloc(20);
    for (size_t i = 0; i < 20; i++)
        do_free(blocks[i]);
    do_free(block);
    do_free(do_malloc(1000));
    do_free(block);
}

CASE(double_free_later, "5.b", "others freed between: still detected as such")
{
    expect_abort(free_twice_with_others_between, "free(): double free detected");
}

static void free_stack(void)
{
    char area[256] __attribute__((aligned(64)));
    memset(area, 0, sizeof area);
    do_free(area + 64);
}

CASE(stack_address, "5.a 5.c", "an address in the stack: invalid pointer")
{
    expect_abort(free_stack, "free(): invalid pointer");
}

static void free_static(void)
{
    do_free(static_area + 64);
}

CASE(static_address, "5.a 5.c", "the address of a variable: invalid pointer")
{
    expect_abort(free_static, "free(): invalid pointer");
}

static void free_misaligned(void)
{
    char *block = do_malloc(100);
    do_free(block + 8);
}

CASE(misaligned_address, "5.a 5.c", "an address that is no multiple of 16: invalid pointer")
{
    expect_abort(free_misaligned, "free(): invalid pointer");
}

static void free_inside(void)
{
    char *block = do_malloc(1000);
    memset(block, 0x41, 1000);
    do_free(block + 512);
}

CASE(inside_address, "5.a 5.c", "an address inside a block: invalid pointer")
{
    expect_abort(free_inside, "free(): invalid pointer");
}

static void realloc_misaligned(void)
{
    char *block = do_malloc(100);
    do_realloc(block + 8, 200);
}

CASE(realloc_misaligned_address, "5.a 5.c", "realloc of an address that is no block: invalid pointer")
{
    expect_abort(realloc_misaligned, "realloc(): invalid pointer");
}

/* The words before a block and behind it are the program's own or nobody's. */
static void overflow(void)
{
    char *blocks[20];
    for (size_t i = 0; i < 20; i++) {
        blocks[i] = do_malloc(24);
        memset(blocks[i], 0, 24);
    }
    memset(blocks[10] + malloc_usable_size(blocks[10]), 0xEE, 16);
    for (size_t i = 0; i < 20; i++)
        do_free(blocks[i]);
    for (size_t i = 0; i < 100; i++)
        do_free(do_malloc(i * 30));
}

CASE(overflow_harmless, "5.d", "writing 16 bytes behind a block does not damage the heap")
{
    expect_well(overflow);
}

static void write_after_free(void)
{
    char *blocks[20];
    for (size_t i = 0; i < 20; i++)
        blocks[i] = do_malloc(24);
    for (size_t i = 0; i < 20; i++)
        do_free(blocks[i]);
    for (size_t i = 0; i < 20; i++)
        memset(blocks[i], 0x41, 24);
    for (size_t i = 0; i < 1000; i++) {
        char *block = do_malloc(24);
        memset(block, 1, 24);
    }
}

CASE(write_after_free_harmless, "5.d", "writing to freed blocks does not damage the heap")
{
    expect_well(write_after_free);
}

static sigjmp_buf back;

static void jump_back(int number)
{
    (void)number;
    siglongjmp(back, 1);
}

static void *free_more(void *argument)
{
    for (size_t i = 0; i < 1000; i++)
        free(malloc(i));
    return argument;
}

static void abort_and_go_on(void)
{
    signal(SIGABRT, jump_back);
    if (sigsetjmp(back, 1) == 0)
        free_twice();
    for (size_t i = 0; i < 1000; i++)
        do_free(do_malloc(i * 100));
    pthread_t thread;
    if (pthread_create(&thread, NULL, free_more, NULL) != 0)
        _exit(1);
    pthread_join(thread, NULL);
    mallinfo2();
}

CASE(abort_handler, "5.e", "a handler of SIGABRT may jump out: no lock is held")
{
    int status;
    const char *text = run_misuse(abort_and_go_on, &status);
    EXPECT_NOTE(strncmp(text, "free(): double free", 19) == 0, "it said: %.200s", text);
    EXPECT_NOTE(WIFEXITED(status) && WEXITSTATUS(status) == 0, "it ended with 0x%x", status);
}

static void free_without_descriptors(void)
{
    close(0);
    close(1);
    close(2);
    free_twice();
}

CASE(abort_closed, "5.e", "with all descriptors closed it ends all the same")
{
    expect_abort(free_without_descriptors, "");
}

/* Below memory of the heap that no block lives in; what is asked for next does not fit into the rest. */
static void lower_the_break(void)
{
    do_malloc(1000);
    if (sbrk(-8192) == (void *)-1)
        _exit(1);
    for (size_t i = 0; i < 10; i++)
        do_malloc(120000);
}

#define LOWERING "CONTRACT_LOWERS_THE_BREAK"

/* In a process of its own: a fork child may see a break that was lowered by nobody, and puts up with it. */
static void lower_the_break_anew(void)
{
    setenv(LOWERING, "1", 1);
    execl("/proc/self/exe", "aborts", "break_lowered", (char *)NULL);
}

CASE(break_lowered, "5.f 6.3.c",
     "somebody lowered the break below the heap: said so when the heap grows next")
{
    if (region_bytes() > 0)
        SKIP("nobody but the allocator can move the break of a simulated kernel");
    if (getenv(LOWERING) != NULL) {
        mallopt(M_MMAP_THRESHOLD, 1 << 20);
        lower_the_break();
    } else {
        expect_abort(lower_the_break_anew, "break adjusted to free malloc space");
    }
}

int main(int argc, char **argv)
{
    return case_main(argc, argv);
}
