/* SPDX-License-Identifier: MIT */
/*
 * with-limit.c - runs a program under limits of the kernel, as the shell's ulimit would, or worse:
 *
 *   with-limit [as=BYTES] [data=BYTES] [stack=BYTES] [nobrk] [mmap=BYTES] [nounmap] [noremap] [noadvise]
 *   [closed] PROGRAM ARGS
 *
 * as, data, stack: resource limits. nobrk: the break does not move (brk gives 0, which libc takes as a
 * failure). mmap=BYTES: longer anonymous mappings are refused with ENOMEM. nounmap, noremap, noadvise: these
 * calls fail with ENOMEM. The calls are refused by a seccomp filter, from the very start of the program.
 * closed: no fd 0, 1 and 2.
 */
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "expect.h"

enum { FILTER_MAX = 64 };

static struct sock_filter filter[FILTER_MAX];
static unsigned short n_filter;

static void add(struct sock_filter instruction)
{
    REQUIRE(n_filter < FILTER_MAX);
    filter[n_filter++] = instruction;
}

static void add_load(size_t offset)
{
    add((struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)offset));
}

static void add_result(uint32_t result)
{
    add((struct sock_filter)BPF_STMT(BPF_RET | BPF_K, result));
}

/* The system call with this number gives this errno; 0: it returns 0 and does nothing. */
static void refuse(long number, uint32_t with_errno)
{
    add_load(offsetof(struct seccomp_data, nr));
    add((struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)number, 0, 1));
    add_result(SECCOMP_RET_ERRNO | with_errno);
}

/* mmap of anonymous memory with a length above this many bytes gives ENOMEM. */
static void refuse_long_mmap(long number, uint64_t n_bytes)
{
    size_t length = offsetof(struct seccomp_data, args) + 8; /* the second argument; low half first */
    size_t flags = offsetof(struct seccomp_data, args) + 24;
    add_load(offsetof(struct seccomp_data, nr));
    add((struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)number, 0, 7));
    add_load(flags);
    add((struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, MAP_ANONYMOUS, 0, 5));
    add_load(length + 4);
    add((struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, (uint32_t)(n_bytes >> 32), 2, 0));
    add_load(length);
    add((struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, (uint32_t)n_bytes, 0, 1));
    add_result(SECCOMP_RET_ERRNO | ENOMEM);
}

static void limit(int resource, const char *value)
{
    rlim_t n_bytes = (rlim_t)strtoull(value, NULL, 10);
    struct rlimit limits = {.rlim_cur = n_bytes, .rlim_max = n_bytes};
    REQUIRE(setrlimit(resource, &limits) == 0);
}

int main(int argc, char **argv)
{
    int at = 1, closed = 0;
    const char *as = NULL, *data = NULL;
    for (; at < argc; at++) {
        if (strncmp(argv[at], "as=", 3) == 0)
            as = argv[at] + 3;
        else if (strncmp(argv[at], "data=", 5) == 0)
            data = argv[at] + 5;
        else if (strncmp(argv[at], "stack=", 6) == 0)
            limit(RLIMIT_STACK, argv[at] + 6);
        else if (strcmp(argv[at], "nobrk") == 0)
            refuse(SYS_brk, 0);
#ifdef SYS_mmap2
        else if (strncmp(argv[at], "mmap=", 5) == 0)
            refuse_long_mmap(SYS_mmap2, strtoull(argv[at] + 5, NULL, 10));
#else
        else if (strncmp(argv[at], "mmap=", 5) == 0)
            refuse_long_mmap(SYS_mmap, strtoull(argv[at] + 5, NULL, 10));
#endif
        else if (strcmp(argv[at], "nounmap") == 0)
            refuse(SYS_munmap, ENOMEM);
        else if (strcmp(argv[at], "noremap") == 0)
            refuse(SYS_mremap, ENOMEM);
        else if (strcmp(argv[at], "noadvise") == 0)
            refuse(SYS_madvise, ENOMEM);
        else if (strcmp(argv[at], "closed") == 0)
            closed = 1;
        else
            break;
    }
    if (at >= argc) {
        expect_say("with-limit: no program given\n");
        return 2;
    }
    if (n_filter > 0) {
        add_result(SECCOMP_RET_ALLOW);
        struct sock_fprog program = {.len = n_filter, .filter = filter};
        REQUIRE(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
        if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) != 0)
            SKIP("no seccomp filters here: errno %d", errno);
    }
    if (as != NULL)
        limit(RLIMIT_AS, as);
    if (data != NULL)
        limit(RLIMIT_DATA, data);
    if (closed)
        for (int fd = 0; fd < 3; fd++)
            close(fd);
    execv(argv[at], argv + at);
    expect_say("with-limit: cannot run %s: errno %d\n", argv[at], errno);
    return 2;
}
