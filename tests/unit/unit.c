/* SPDX-License-Identifier: MIT */
/* unit.c - see unit.h. */
#include "unit.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/report.h"
#include "kernel/kernel.h"
#include "kernel/sim.h"

uint64_t unit_random(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}

size_t unit_below(uint64_t *state, size_t bound)
{
    return (size_t)(unit_random(state) % bound);
}

void unit_give_up(const char *file, int line, const char *condition)
{
    fprintf(stderr, "%s:%d: not true: %s\n", file, line, condition);
    fflush(stderr);
    _exit(1);
}

/* Reads all that the child writes, then how it ended. */
static struct unit_outcome wait_for(pid_t child, int from)
{
    struct unit_outcome outcome = {.exited = false};
    size_t length = 0;
    char byte;
    while (read(from, &byte, 1) == 1)
        if (length < sizeof outcome.text - 1)
            outcome.text[length++] = byte;
    close(from);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    outcome.exited = WIFEXITED(status);
    outcome.code = WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status);
    return outcome;
}

static pid_t fork_with_pipe(int pipe_end[2])
{
    fflush(NULL);
    assert_int_equal(pipe(pipe_end), 0);
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child) {
        close(pipe_end[1]);
        return child;
    }
    alarm(300);
    const int cmockas[] = {SIGFPE, SIGILL, SIGSEGV, SIGBUS,
                           SIGSYS}; /* its handlers go on with the next test */
    for (size_t i = 0; i < sizeof cmockas / sizeof *cmockas; i++)
        signal(cmockas[i], SIG_DFL);
    dup2(pipe_end[1], STDERR_FILENO);
    close(pipe_end[0]);
    close(pipe_end[1]);
    return 0;
}

struct unit_outcome unit_fork(void (*act)(void *argument), void *argument)
{
    int pipe_end[2];
    const pid_t child = fork_with_pipe(pipe_end);
    if (!child) {
        act(argument);
        fflush(stderr);
        _exit(0);
    }
    return wait_for(child, pipe_end[0]);
}

#define KEEP_SETTINGS "UNIT_KEEP_SETTINGS=1" /* for a program that unit_rerun starts */

static bool is_prefix(const char *prefix, const char *text)
{
    return strncmp(prefix, text, strlen(prefix)) == 0;
}

/*
 * Takes all settings of the allocator but the kernel out of the environment, before its constructor reads them: the
 * rooms are tested as they are by default, wherever the suite runs.
 */
static void forget_settings(int argument_count, char **arguments, char **entries)
{
    (void)argument_count;
    (void)arguments;
    const char *const prefixes[] = {"MALLOC_", "VMALLOC_", "GLIBC_TUNABLES="};
    char **to = entries;
    for (char **from = entries; *from; from++) {
        bool is_setting = false;
        for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++)
            is_setting |= is_prefix(prefixes[i], *from);
        if (strcmp(*from, KEEP_SETTINGS) == 0)
            return;
        if (!is_setting || is_prefix("VMALLOC_BACKEND=", *from))
            *to++ = *from;
    }
    *to = NULL;
}

__attribute__((section(".preinit_array"),
               used)) static void (*const before_constructors)(int, char **, char **) = forget_settings;

struct unit_outcome unit_rerun(const char *program, const char *argument, const char *const *environment)
{
    int pipe_end[2];
    const pid_t child = fork_with_pipe(pipe_end);
    if (!child) {
        putenv((char *)(uintptr_t)KEEP_SETTINGS);
        for (; *environment; environment++)
            putenv((char *)(uintptr_t)*environment);
        execl(program, program, argument, (char *)NULL);
        unit_give_up(__FILE__, __LINE__, "execl");
    }
    return wait_for(child, pipe_end[0]);
}

void unit_assert_returns(void (*act)(void *argument), void *argument)
{
    const struct unit_outcome outcome = unit_fork(act, argument);
    if (!outcome.exited || outcome.code)
        fail_msg("the child %s %d: %s", outcome.exited ? "exited with" : "died of signal", outcome.code,
                 outcome.text);
}

void unit_assert_aborts(void (*act)(void *argument), void *argument, const char *text)
{
    const struct unit_outcome outcome = unit_fork(act, argument);
    if (outcome.exited || outcome.code != SIGABRT || !strstr(outcome.text, text))
        fail_msg("instead of aborting with '%s', the child %s %d: %s", text,
                 outcome.exited ? "exited with" : "died of signal", outcome.code, outcome.text);
}

void unit_assert_harms_found(void (*check)(void *harm), int n_harms, const char *text)
{
    int harm = 0;
    unit_assert_returns(check, &harm);
    for (harm = 1; harm <= n_harms; harm++)
        unit_assert_aborts(check, &harm, text);
}

void unit_damage(const struct unit_damage *damage)
{
    if (damage)
        damage->act();
}

void unit_assert_damages_found(void (*check)(void *damage), const struct unit_damage *damages, size_t n)
{
    unit_assert_returns(check, NULL);
    for (size_t i = 0; i < n; i++) {
        struct unit_damage damage = damages[i];
        unit_assert_aborts(check, &damage, damage.text);
    }
}

static void write_error(const char *text, size_t length)
{
    while (length) {
        const ssize_t n = write(STDERR_FILENO, text, length);
        if (n <= 0)
            return;
        text += n;
        length -= (size_t)n;
    }
}

void unit_report_to_stderr(void)
{
    vm_report_sink = (struct report_sink){.write = write_error, .abort = abort};
}

size_t unit_resident_pages(const void *start, size_t bytes)
{
    unsigned char in_memory[1024];
    const size_t page_bytes = (size_t)sysconf(_SC_PAGESIZE);
    size_t n_pages = bytes / page_bytes, n_resident = 0;
    const char *at = start;
    while (n_pages) {
        const size_t n = n_pages < sizeof in_memory ? n_pages : sizeof in_memory;
        assert_int_equal(mincore((void *)(uintptr_t)at, n * page_bytes, in_memory), 0);
        for (size_t i = 0; i < n; i++)
            n_resident += in_memory[i] & 1;
        at += n * page_bytes;
        n_pages -= n;
    }
    return n_resident;
}

bool unit_is_filled(const void *start, size_t bytes, unsigned char value)
{
    const unsigned char *const at = start;
    return bytes == 0 || (at[0] == value && memcmp(at, at + 1, bytes - 1) == 0);
}

struct vm_kernel_backend *unit_backend(void)
{
    static struct vm_kernel_backend *kernel = &vm_linux_backend;
    static bool is_chosen;
    const char *const setting = getenv("VMALLOC_BACKEND");
    size_t n_gib = 0;
    if (setting && !is_chosen && sscanf(setting, "sim:%zuG", &n_gib) == 1)
        kernel = vm_sim_open(n_gib << 30, 0);
    is_chosen = true;
    UNIT_REQUIRE(kernel &&
                 (n_gib || !setting || strcmp(setting, "linux") == 0 || kernel != &vm_linux_backend));
    return kernel;
}

void *unit_sbrk(ptrdiff_t bytes)
{
    struct vm_kernel_backend *const kernel = unit_backend();
    if (bytes > 0)
        return kernel->break_grow(kernel->context, (size_t)bytes);
    void *const now = kernel->break_now(kernel->context);
    const bool done = !bytes || kernel->break_trim(kernel->context, now, (size_t)-bytes);
    return done ? now : NULL;
}

static void end_of_thread(void *argument)
{
    (void)argument;
}

void unit_start(struct vm_kernel_backend *backend)
{
    vm_kernel_start(backend);
    vm_process_start(end_of_thread);
    vm_process_at_fork(NULL);
    if (unit_is_under_valgrind())
        vm_kernel.has_remap = false;
}

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define UNIT_SANITIZED true
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define UNIT_SANITIZED true
#endif
#endif
#ifndef UNIT_SANITIZED
#define UNIT_SANITIZED false
#endif

bool unit_is_under_valgrind(void)
{
    const char *const preloaded = getenv("LD_PRELOAD"); /* it puts its helpers there */
    return preloaded && strstr(preloaded, "vgpreload");
}

bool unit_is_slow(void)
{
    return UNIT_SANITIZED || unit_is_under_valgrind();
}
