/* SPDX-License-Identifier: MIT */
/*
 * confined.c - processes that may do little: a filter of system calls, no descriptors, no /proc, limits on
 * memory.
 */
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "case.h"

/* ---- what the cases have threads and main do ---- */

enum { N_THREADS = 4, N_BLOCKS = 200 };

/* Blocks of all sizes and alignments, resized and freed, with their content checked. */
static void churn(uint64_t seed, size_t n_steps)
{
    struct rng rng = {.state = seed};
    unsigned char *blocks[N_BLOCKS] = {0};
    size_t lengths[N_BLOCKS] = {0};
    for (size_t step = 0; step < n_steps; step++) {
        size_t i = rng_between(&rng, 0, N_BLOCKS - 1), length = rng_size(&rng);
        if (blocks[i] != NULL)
            EXPECT_STAMP(blocks[i], lengths[i], i);
        switch (rng_between(&rng, 0, 3)) {
        case 0:
            blocks[i] = realloc(blocks[i], length);
            break;
        case 1:
            free(blocks[i]);
            blocks[i] = memalign((size_t)16 << rng_between(&rng, 0, 8), length);
            break;
        case 2:
            free(blocks[i]);
            blocks[i] = calloc(1, length);
            break;
        default:
            free(blocks[i]);
            blocks[i] = malloc(length);
            break;
        }
        REQUIRE(blocks[i] != NULL);
        lengths[i] = length;
        stamp_fill(blocks[i], length, i);
    }
    for (size_t i = 0; i < N_BLOCKS; i++)
        free(blocks[i]);
}

static pthread_barrier_t meeting;
static void *handed[N_THREADS][N_BLOCKS];

/* Between the second and the third meeting only the allocator is at work: it calls the kernel, or nobody
 * does. */
static void *confined_thread(void *argument)
{
    size_t self = (uintptr_t)argument;
    pthread_barrier_wait(&meeting); /* the thread is set up */
    pthread_barrier_wait(&meeting);
    churn(self + 1, 20000);
    for (size_t i = 0; i < N_BLOCKS; i++)
        REQUIRE((handed[self][i] = malloc(i * 97)) != NULL);
    pthread_barrier_wait(&meeting);
    for (size_t i = 0; i < N_BLOCKS; i++)
        free(handed[(self + 1) % N_THREADS][i]);
    return NULL;
}

/* ---- system calls ---- */

#if defined(__x86_64__)
#define THIS_ARCHITECTURE AUDIT_ARCH_X86_64
#elif defined(__i386__)
#define THIS_ARCHITECTURE AUDIT_ARCH_I386
#elif defined(__aarch64__)
#define THIS_ARCHITECTURE AUDIT_ARCH_AARCH64
#else
#define THIS_ARCHITECTURE 0
#endif

#define ALLOW(number)                                                                                        \
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 1), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)
#ifdef SYS_mmap2
#define SYS_MAP SYS_mmap2
#else
#define SYS_MAP SYS_mmap
#endif

/* Any system call but these ends the process with SIGSYS: those that an allocator needs, those that threads
   and processes end with, and write for what a failed expectation says. */
static void allow_little(void)
{
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, THIS_ARCHITECTURE, 1, 0),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        ALLOW(SYS_brk),
        ALLOW(SYS_MAP),
        ALLOW(SYS_munmap),
        ALLOW(SYS_mremap),
        ALLOW(SYS_mprotect),
        ALLOW(SYS_madvise),
        ALLOW(SYS_futex),
        ALLOW(SYS_write),
        ALLOW(SYS_exit),
        ALLOW(SYS_exit_group),
        ALLOW(SYS_rt_sigprocmask),
        ALLOW(SYS_rt_sigreturn),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
    };
    struct sock_fprog program = {sizeof filter / sizeof filter[0], filter};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
        syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &program) != 0)
        SKIP("the kernel does not let us set a filter: errno %d", errno);
}

CASE(few_system_calls, "0.27 6.6 10.10",
     "threads allocate with brk, mmap, munmap, mremap, mprotect, madvise and futex alone")
{
    pthread_t threads[N_THREADS];
    pthread_barrier_init(&meeting, NULL, N_THREADS + 1);
    for (size_t i = 0; i < N_THREADS; i++)
        REQUIRE(pthread_create(&threads[i], NULL, confined_thread, (void *)(uintptr_t)i) == 0);
    pthread_barrier_wait(&meeting);
    allow_little(); /* for all threads */
    pthread_barrier_wait(&meeting);
    churn(99, 20000);
    malloc_trim(0);
    mallinfo2();
    for (size_t size = MIB; size < 64 * MIB; size *= 2) {
        unsigned char *block = malloc(size);
        REQUIRE(block != NULL);
        block[size - 1] = 1;
        REQUIRE((block = realloc(block, 2 * size)) != NULL);
        free(block);
    }
    free(malloc((size_t)PTRDIFF_MAX - MIB)); /* refused on 64 bits */
    pthread_barrier_wait(&meeting);
    for (size_t i = 0; i < N_THREADS; i++)
        pthread_join(threads[i], NULL);
    malloc_trim(0);
}

CASE(first_call_filtered, "0.27 0.24", "even the first call of the process needs no more")
{
    allow_little();
    churn(1, 5000);
}

/* The message of an abort is one write; the signal is raised by the calls that libc's abort makes. */
CASE(filter_works, "0.27", "the filter of these cases does end a process that calls something else")
{
    pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        allow_little();
        open("/proc/self/maps", O_RDONLY);
        _exit(0);
    }
    int status;
    REQUIRE(waitpid(child, &status, 0) == child);
    if (WIFEXITED(status) && WEXITSTATUS(status) == EXPECT_SKIPPED)
        SKIP("no filter here");
    EXPECT(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS);
}

/* ---- descriptors and files ---- */

CASE(no_descriptors_left, "6.6", "malloc works when no file can be opened")
{
    struct rlimit limit = {16, 16};
    REQUIRE(setrlimit(RLIMIT_NOFILE, &limit) == 0);
    while (open("/dev/null", O_RDONLY) >= 0)
        continue;
    churn(2, 20000);
    malloc_trim(0);
    mallinfo2();
}

/* A file that is opened now would become standard input. */
CASE(standard_closed, "6.6", "with descriptors 0, 1, 2 closed nothing is opened in their place")
{
    int saved = fcntl(2, F_DUPFD, 100);
    REQUIRE(saved >= 0);
    close(0);
    close(1);
    close(2);
    churn(3, 20000);
    malloc_trim(0);
    mallinfo2();
    mallopt(M_TOP_PAD, 4096);
    int first = dup(saved);
    dup2(saved, 2);
    EXPECT_EQ(first, 0);
}

static void *churning_thread(void *argument)
{
    churn((uintptr_t)argument, 20000);
    return NULL;
}

static void work_in_empty_root(const char *folder)
{
    if (chroot(folder) != 0 || chdir("/") != 0)
        SKIP("not allowed to change the root");
    churn(4, 20000);
    pthread_t thread;
    REQUIRE(pthread_create(&thread, NULL, churning_thread, (void *)(uintptr_t)5) == 0);
    pthread_join(thread, NULL);
    malloc_trim(0);
    mallinfo2();
    free(malloc(10 * MIB));
}

CASE(no_proc, "6.6", "in a chroot without /proc, /sys and any file malloc works, from the first call on")
{
    char folder[] = "/tmp/contract-empty-XXXXXX";
    REQUIRE(mkdtemp(folder) != NULL);
    pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        work_in_empty_root(folder);
        _exit(expect_result());
    }
    int status;
    REQUIRE(waitpid(child, &status, 0) == child);
    rmdir(folder);
    case_say_end(status);
    _exit(WIFEXITED(status) ? WEXITSTATUS(status) : 1);
}

/* ---- limits ---- */

static void limit_address_space(size_t extra)
{
    size_t now = proc_status_bytes("VmSize:");
    struct rlimit limit = {now + extra, now + extra};
    REQUIRE(setrlimit(RLIMIT_AS, &limit) == 0);
}

/* What a program that handles NULL sees. */
static void use_up_memory(void)
{
    enum { COUNT = 100000 };
    static void *blocks[COUNT];
    struct rng rng = {.state = 9};
    size_t n = 0, n_refused = 0;
    while (n < COUNT && n_refused < 20) {
        size_t size = rng_between(&rng, 1, 100000);
        errno = ERRNO_MARK;
        blocks[n] = n % 3 == 0 ? malloc(size) : n % 3 == 1 ? calloc(1, size) : memalign(256, size);
        if (blocks[n] == NULL) {
            EXPECT_EQ(errno, ENOMEM);
            n_refused++;
        } else {
            EXPECT_EQ(errno, ERRNO_MARK);
            memset(blocks[n++], 1, size);
        }
    }
    EXPECT_NOTE(n_refused == 20, "%zu blocks and no end", n);
    errno = ERRNO_MARK;
    EXPECT_SAME(realloc(blocks[0], 64 * MIB), NULL);
    EXPECT_EQ(errno, ENOMEM);
    void *untouched = &n;
    EXPECT_EQ(posix_memalign(&untouched, 64, 64 * MIB), ENOMEM);
    EXPECT_SAME(untouched, &n);
    for (size_t i = 0; i < n; i++) {
        errno = ERRNO_MARK;
        free(blocks[i]);
        EXPECT_EQ(errno, ERRNO_MARK);
    }
    void *again = malloc(10 * MIB);
    EXPECT_NOTE(again != NULL, "after all was freed 10 MiB are not to be had");
    free(again);
}

CASE(memory_runs_out, "6.1.a 6.5 6.7 8.i", "in 32 MiB of address space: ENOMEM, then all of it again")
{
    limit_address_space(32 * MIB);
    use_up_memory();
}

/* Each thread tries all entry points, and goes on when they fail. */
static void *failing_thread(void *argument)
{
    pthread_barrier_wait(&meeting);
    pthread_barrier_wait(&meeting); /* the limit is set */
    struct rng rng = {.state = (uintptr_t)argument + 1};
    unsigned char *blocks[300] = {0};
    size_t n = 0;
    for (size_t step = 0; step < 3000; step++) {
        size_t size = rng_between(&rng, 1, 200000);
        void *block = NULL;
        errno = ERRNO_MARK;
        int error = 0;
        switch (step % 5) {
        case 0:
            block = malloc(size);
            break;
        case 1:
            block = calloc(size, 1);
            break;
        case 2:
            block = memalign(512, size);
            break;
        case 3:
            error = posix_memalign(&block, 4096, size);
            break;
        default:
            block = aligned_alloc(64, size);
            break;
        }
        if (block == NULL)
            EXPECT_NOTE(step % 5 == 3 ? error == ENOMEM : errno == ENOMEM, "errno %d, result %d", errno,
                        error);
        else
            memset(block, 1, size);
        size_t at = n++ % 300;
        free(blocks[at]);
        blocks[at] = block;
    }
    for (size_t i = 0; i < 300; i++)
        free(blocks[i]);
    return NULL;
}

CASE(threads_run_out, "6.1.b 6.7 10.8", "16 threads short of memory: every call answers or says ENOMEM")
{
    enum { COUNT = 16 };
    pthread_t threads[COUNT];
    pthread_barrier_init(&meeting, NULL, COUNT + 1);
    for (size_t i = 0; i < COUNT; i++)
        REQUIRE(pthread_create(&threads[i], NULL, failing_thread, (void *)(uintptr_t)i) == 0);
    pthread_barrier_wait(&meeting);
    limit_address_space(64 * MIB);
    pthread_barrier_wait(&meeting);
    for (size_t i = 0; i < COUNT; i++)
        pthread_join(threads[i], NULL);
}

CASE(data_limit, "6.1.c 10.8", "RLIMIT_DATA of 32 MiB: ENOMEM, then all of it again")
{
    struct rlimit limit = {32 * MIB, 32 * MIB};
    REQUIRE(setrlimit(RLIMIT_DATA, &limit) == 0);
    use_up_memory();
}

/* Programs look for the most that they can have. */
CASE(probing, "0.26 6.5", "terabytes asked for until there are none cost next to no memory")
{
    if (sizeof(void *) == 4)
        SKIP("a 32-bit process has none");
    size_t before = rss_bytes(), n = 0;
    static void *blocks[10000];
    struct rlimit limit = {64 * MIB * MIB, 64 * MIB * MIB};
    setrlimit(RLIMIT_AS, &limit);
    while (n < 10000 && (blocks[n] = malloc(64 * KIB * MIB)) != NULL)
        n++;
    EXPECT_NOTE(rss_bytes() < before + 8 * MIB, "%zu blocks of 64 GiB, RSS %.1f MiB, then %.1f", n,
                mib(before), mib(rss_bytes()));
    while (n > 0)
        free(blocks[--n]);
}

int main(int argc, char **argv)
{
    return case_main(argc, argv);
}
