/* SPDX-License-Identifier: MIT */
/*
 * with-rights.c - `with-rights PROGRAM ARGUMENT...` runs a program that takes itself for set-user-ID: stopped
 * before its first instruction, AT_SECURE in what the kernel laid on its stack is made 1. Needs no rights. The
 * exit status is the program's; 77 if the kernel does not let us.
 */
#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

#include "expect.h"

enum { STACK_BYTES_MAX = 1 << 20 };

static int open_of(pid_t process, const char *name, int flags)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/%s", (int)process, name);
    const int file = open(path, flags | O_CLOEXEC);
    if (file < 0)
        SKIP("%s cannot be opened", path);
    return file;
}

/* The end of the process's stack. */
static unsigned long stack_end(pid_t process)
{
    FILE *const maps = fdopen(open_of(process, "maps", O_RDONLY), "r");
    REQUIRE(maps != NULL);
    char line[1000];
    unsigned long start, end = 0;
    while (fgets(line, sizeof line, maps) != NULL)
        if (strstr(line, "[stack]") != NULL)
            REQUIRE(sscanf(line, "%lx-%lx", &start, &end) == 2);
    fclose(maps);
    REQUIRE(end != 0);
    return end;
}

/* Finds the vector on the stack by its content and changes it there. */
static void raise_rights(pid_t process)
{
    static char stack[STACK_BYTES_MAX];
    static ElfW(auxv_t) vector[64];
    const int vector_file = open_of(process, "auxv", O_RDONLY);
    REQUIRE(read(vector_file, vector, sizeof vector) > 0);
    close(vector_file);
    /* Up to AT_NULL: of a 32-bit program, a 64-bit kernel may give more than the stack has. */
    size_t entries = 0;
    while (vector[entries++].a_type != AT_NULL)
        REQUIRE(entries < sizeof vector / sizeof vector[0]);
    const int memory = open_of(process, "mem", O_RDWR);
    const unsigned long end = stack_end(process);
    ssize_t bytes = 0;
    for (size_t length = sizeof stack; bytes <= 0 && length >= 4096; length /= 2)
        bytes = pread(memory, stack, length, (off_t)(end - length));
    REQUIRE(bytes > 0);
    const unsigned long start = end - (unsigned long)bytes;
    const char *const place = memmem(stack, (size_t)bytes, vector, entries * sizeof vector[0]);
    REQUIRE(place != NULL);
    for (size_t i = 0; i < entries; i++) {
        if (vector[i].a_type != AT_SECURE)
            continue;
        vector[i].a_un.a_val = 1;
        const size_t offset = (size_t)(place - stack) + i * sizeof vector[0];
        REQUIRE(pwrite(memory, &vector[i], sizeof vector[i], (off_t)(start + offset)) == sizeof vector[i]);
    }
    close(memory);
}

int main(int argc, char **argv)
{
    REQUIRE(argc > 1);
    const pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0)
            _exit(EXPECT_SKIPPED);
        execv(argv[1], argv + 1);
        _exit(127);
    }
    int status;
    REQUIRE(waitpid(child, &status, 0) == child);
    if (!WIFSTOPPED(status))
        return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
    raise_rights(child);
    REQUIRE(ptrace(PTRACE_DETACH, child, NULL, NULL) == 0);
    REQUIRE(waitpid(child, &status, 0) == child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
