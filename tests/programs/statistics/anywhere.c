/* SPDX-License-Identifier: MIT */
/*
 * anywhere.c - the statistics can be asked for from anywhere: a thread with the smallest stack, a stream that allocates
 * or asks for statistics itself while they are written to it, a closed standard error, a limit on the address space,
 * the child of a process whose other thread was allocating. None of them hangs, allocates or is a cancellation point.
 */
#include <limits.h>
#include <pthread.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "report.h"

static struct report report, other;

/* --- stacks --------------------------------------------------------------------------------------------- */

static void *ask_all(void *argument)
{
    (void)argument;
    api_mallinfo2_struct sample = api_mallinfo2();
    EXPECT(sample.arena > 0);
    report_take_info(&report);
    report_take_stats(&report);
    report_take_ours(&report, VM_STATS_JSON);
    report_take_ours(&report, VM_STATS_TEXT);
    return NULL;
}

static void small_stack(void)
{
    pthread_attr_t attributes;
    pthread_t thread;
    pthread_attr_init(&attributes);
    REQUIRE(pthread_attr_setstacksize(&attributes, (size_t)PTHREAD_STACK_MIN) == 0);
    REQUIRE(pthread_create(&thread, &attributes, ask_all, NULL) == 0);
    pthread_join(thread, NULL);
    pthread_attr_destroy(&attributes);
}

/* --- streams -------------------------------------------------------------------------------------------- */

static size_t n_written, n_nested;

/* A stream of the program's own: allocates, and asks again, as deep as it is told. */
static ssize_t write_cookie(void *cookie, const char *text, size_t n_bytes)
{
    (void)text;
    int *depth = cookie;
    n_written += n_bytes;
    void *block = api_malloc(n_bytes + 30000);
    REQUIRE(block != NULL);
    if (*depth > 0) {
        (*depth)--;
        n_nested++;
        report_take_info(&other); /* a picture while another is being printed */
        EXPECT(strstr(other.text, "</malloc>\n") != NULL);
    }
    api_free(block);
    return (ssize_t)n_bytes;
}

static void streams_that_allocate(void)
{
    int depth = 3;
    FILE *stream = fopencookie(&depth, "w", (cookie_io_functions_t){.write = write_cookie});
    REQUIRE(stream != NULL);
    setvbuf(stream, NULL, _IONBF, 0);
    EXPECT_EQ(api_malloc_info(0, stream), 0);
    EXPECT_EQ(vm_malloc_stats_print(stream, VM_STATS_TEXT), 0);
    FILE *real_stderr = stderr;
    stderr = stream;
    depth = 1;
    api_malloc_stats();
    stderr = real_stderr;
    EXPECT_EQ(n_nested, 4);
    EXPECT(n_written > 1000);
    fclose(stream);
}

/* No room for a second picture: refused, nothing written, and the first one goes on. */
static ssize_t write_in_want(void *cookie, const char *text, size_t n_bytes)
{
    (void)text;
    size_t *n_refused = cookie;
    struct rlimit limit, none;
    getrlimit(RLIMIT_AS, &limit);
    none = (struct rlimit){.rlim_cur = 1 << 20, .rlim_max = limit.rlim_max};
    REQUIRE(setrlimit(RLIMIT_AS, &none) == 0);
    rewind(other.stream);
    errno = 77;
    *n_refused += api_malloc_info(0, other.stream) == ENOMEM;
    *n_refused += vm_malloc_stats_print(other.stream, VM_STATS_JSON) == ENOMEM;
    EXPECT_EQ(errno, 77);
    EXPECT_EQ(ftell(other.stream), 0);
    api_mallinfo2_struct sample = api_mallinfo2(); /* needs none */
    EXPECT(sample.arena > 0);
    report_take_stats(&other); /* the sums alone */
    EXPECT(strncmp(other.text, "Total (incl. mmap):\n", 20) == 0);
    REQUIRE(setrlimit(RLIMIT_AS, &limit) == 0);
    return (ssize_t)n_bytes;
}

static void no_memory(void)
{
    size_t n_refused = 0;
    FILE *stream = fopencookie(&n_refused, "w", (cookie_io_functions_t){.write = write_in_want});
    REQUIRE(stream != NULL);
    setvbuf(stream, NULL, _IONBF, 0);
    EXPECT_EQ(api_malloc_info(0, stream), 0);
    EXPECT(n_refused >= 2);
    fclose(stream);
    report_take_info(&other); /* the kept picture is free again */
}

static void closed_stderr(void)
{
    int saved = dup(2);
    REQUIRE(saved > 2);
    close(2);
    errno = 78;
    api_malloc_stats();
    EXPECT_EQ(errno, 78);
    REQUIRE(dup2(saved, 2) == 2);
    close(saved);
}

/* --- threads -------------------------------------------------------------------------------------------- */

static void *cancelled(void *argument)
{
    volatile int *reached = argument;
    int null = open("/dev/null", O_WRONLY);
    FILE *stream = fdopen(null, "w");
    REQUIRE(stream != NULL);
    setvbuf(stream, NULL, _IONBF, 0);
    pthread_cancel(pthread_self()); /* from here on the first cancellation point ends the thread */
    api_malloc_info(0, stream);
    vm_malloc_stats_print(stream, VM_STATS_JSON);
    *reached = 1;
    pthread_testcancel();
    *reached = 2;
    return NULL;
}

static void not_a_cancellation_point(void)
{
    static volatile int reached;
    pthread_t thread;
    void *result = NULL;
    pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, NULL);
    REQUIRE(pthread_create(&thread, NULL, cancelled, (void *)&reached) == 0);
    pthread_join(thread, &result);
    EXPECT(result == PTHREAD_CANCELED);
    EXPECT_EQ(reached, 1);
}

static bool stopping;

static void *allocate_for_ever(void *argument)
{
    struct rng rng = {(size_t)argument};
    while (!__atomic_load_n(&stopping, __ATOMIC_ACQUIRE)) {
        void *blocks[50];
        for (size_t i = 0; i < 50; i++)
            blocks[i] = api_malloc(rng_size(&rng));
        for (size_t i = 0; i < 50; i++)
            api_free(blocks[i]);
    }
    return NULL;
}

/* In the child, what other threads were changing is frozen: the sums hold all the same. */
static void in_children(void)
{
    enum { N_CHILDREN = 200 };
    pthread_t threads[3];
    for (size_t i = 0; i < 3; i++)
        REQUIRE(pthread_create(&threads[i], NULL, allocate_for_ever, (void *)(i + 1)) == 0);
    for (size_t i = 0; i < N_CHILDREN; i++) {
        pid_t child = fork();
        REQUIRE(child >= 0);
        if (child == 0) {
            watchdog_start(20);
            api_mallinfo2_struct sample = api_mallinfo2();
            EXPECT_EQ(sample.arena, sample.uordblks + sample.fordblks);
            EXPECT(sample.fordblks < (size_t)1 << 31);
            ask_all(NULL);
            _exit(expect_result());
        }
        int status = 0;
        REQUIRE(waitpid(child, &status, 0) == child);
        EXPECT_NOTE(WIFEXITED(status) && WEXITSTATUS(status) == 0, "child %zu: status 0x%x", i, status);
    }
    __atomic_store_n(&stopping, true, __ATOMIC_RELEASE);
    for (size_t i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
}

int main(void)
{
    watchdog_start(100);
    api_assert_served();
    report_open(&report);
    report_open(&other);
    small_stack();
    streams_that_allocate();
    if (region_bytes() == 0) /* the limit is the process's */
        no_memory();
    closed_stderr();
    not_a_cancellation_point();
    in_children();
    return expect_result();
}
