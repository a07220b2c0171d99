/* SPDX-License-Identifier: MIT */
/*
 * oracle.c - a vmsim whose window cannot be accessed: the first touch of each of its pages is a signal, by which it is known
 * what was touched for real. What the simulated MMU is told has to contain that: at each discard, for the pages that are
 * discarded, and at the end for all. Else it says which page, and ends the process with status 3.
 *
 * It stands between the tool and its window, the MMU and remap, by the linker's --wrap.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "vmalloc/machine.h"
#include "vmsim/machine.h"
#include "vmsim/map.h"

enum { STATUS_MISSED = 3 };

static char *window;
static size_t window_bytes, host_page;
static unsigned char *touched; /* a byte for each of the window's pages */
static struct map told;        /* numbers of simulated pages that the MMU was told of */
static uint64_t n_touched, n_checked;

/* What was moved, until the old place is discarded: only then is it empty. */
static struct {
    vk_va from, to;
    size_t bytes;
} moved;

char *__real_window_reserve(size_t bytes);
bool __real_window_discard(void *context, void *start, size_t bytes);
enum vk_outcome __real_vk_access(struct vk_mm *mm, const struct vk_access *access);
int __real_vk_remap(struct vk_mm *mm, const struct vk_remap *wanted, vk_va *start);

/* --- what is touched -------------------------------------------------------------------------------------- */

static void note_touch(int signal, siginfo_t *information, void *context)
{
    (void)context;
    const size_t offset = (size_t)((char *)information->si_addr - window);
    const int saved_errno = errno;
    if (offset >= window_bytes || touched[offset / host_page] ||
        mprotect(window + offset / host_page * host_page, host_page, PROT_READ | PROT_WRITE) != 0) {
        struct sigaction usual = {.sa_handler = SIG_DFL};
        sigaction(signal, &usual, NULL);
        return;
    }
    touched[offset / host_page] = 1;
    n_touched++;
    errno = saved_errno;
}

/* --- what is told ----------------------------------------------------------------------------------------- */

static uint64_t page_number(uint64_t place)
{
    return place / machine_page_bytes();
}

static void tell(uint64_t page)
{
    if (!map_find(&told, page))
        map_add(&told, page, 1);
}

static void check(size_t page)
{
    const char *const start = window + page * host_page;
    if (!touched[page])
        return;
    n_checked++;
    if (map_find(&told, page_number(machine_place(start))))
        return;
    fflush(stdout);
    fprintf(stderr, "oracle: the page at 0x%llx was touched, and the machine does not know\n",
            (unsigned long long)machine_place(start));
    _exit(STATUS_MISSED);
}

static void check_all(void)
{
    for (size_t page = 0; page < window_bytes / host_page; page++)
        check(page);
    fprintf(stderr, "oracle: %llu pages were touched, %llu checks\n", (unsigned long long)n_touched,
            (unsigned long long)n_checked);
}

/* --- between ---------------------------------------------------------------------------------------------- */

char *__wrap_window_reserve(size_t bytes)
{
    const struct sigaction action = {.sa_sigaction = note_touch, .sa_flags = SA_SIGINFO};
    window = __real_window_reserve(bytes);
    window_bytes = bytes;
    host_page = (size_t)sysconf(_SC_PAGESIZE);
    touched = calloc(bytes / host_page, 1);
    if (!window || !touched || mprotect(window, bytes, PROT_NONE) != 0 ||
        sigaction(SIGSEGV, &action, NULL) != 0 || atexit(check_all) != 0)
        return NULL;
    return window;
}

bool __wrap_window_discard(void *context, void *start, size_t bytes)
{
    const size_t first = (size_t)((char *)start - window) / host_page;
    const uint64_t from = page_number(machine_place(start)), n = bytes / machine_page_bytes();
    for (size_t page = first; page < first + bytes / host_page; page++) {
        check(page);
        touched[page] = 0;
    }
    const bool is_old_place = moved.bytes && page_number(moved.from) == from;
    for (uint64_t i = 0; i < n; i++)
        if (map_take(&told, from + i) && is_old_place && i < moved.bytes / machine_page_bytes())
            tell(page_number(moved.to) + i);
    if (is_old_place)
        moved.bytes = 0;
    return mprotect(start, bytes, PROT_NONE) == 0 && __real_window_discard(context, start, bytes);
}

enum vk_outcome __wrap_vk_access(struct vk_mm *mm, const struct vk_access *access)
{
    const uint64_t last = page_number(access->at + access->bytes - 1);
    for (uint64_t page = page_number(access->at); page <= last; page++)
        tell(page);
    return __real_vk_access(mm, access);
}

int __wrap_vk_remap(struct vk_mm *mm, const struct vk_remap *wanted, vk_va *start)
{
    const int done = __real_vk_remap(mm, wanted, start);
    if (!done && wanted->flags & VK_REMAP_FIXED) {
        moved.from = wanted->start;
        moved.to = wanted->new_start;
        moved.bytes = wanted->old_bytes < wanted->new_bytes ? wanted->old_bytes : wanted->new_bytes;
    }
    return done;
}
