/* SPDX-License-Identifier: MIT */
/*
 * port.c - vmalloc on Windows, under its own names beside the C library's malloc. Addresses are reserved once, and
 * memory is committed to them and taken back page by page, by VirtualAlloc and VirtualFree. (There is no hook `discard`:
 * what takes the contents of pages away and keeps them usable takes the memory for that away, too.) Threads may
 * allocate; the end of each is told by the loader.
 */
#include <windows.h>
#include "vmalloc/kernel.h"
#include "vmalloc/sim.h"

#ifndef PORT_BYTES
#define PORT_BYTES ((size_t)1 << 30) /* records are made for so much: 12 bytes for each 4 KiB */
#endif

struct vk_kernel *port_kernel;
static SRWLOCK lock = SRWLOCK_INIT;

static void enter(void *context)
{
    (void)context;
    AcquireSRWLockExclusive(&lock);
}

static void leave(void *context)
{
    (void)context;
    ReleaseSRWLockExclusive(&lock);
}

static bool commit(void *context, void *start, size_t bytes)
{
    (void)context;
    return VirtualAlloc(start, bytes, MEM_COMMIT, PAGE_READWRITE) != NULL;
}

/* What is committed again is zero. */
static bool decommit(void *context, void *start, size_t bytes)
{
    (void)context;
    return VirtualFree(start, bytes, MEM_DECOMMIT);
}

static void say_what_is_broken(const char *text, size_t length)
{
    DWORD n_written;
    WriteFile(GetStdHandle(STD_ERROR_HANDLE), text, (DWORD)length, &n_written, NULL);
}

void vm_kernel_before_start(void)
{
    static struct vm_kernel_backend backend;
    const struct vk_config config = {
        .page_bytes = 4096,
        .n_areas = 8192,
        .hooks = {.lock = enter,
                  .unlock = leave,
                  .commit = commit,
                  .decommit = decommit,
                  .panic = say_what_is_broken},
    };
    const struct vk_region region = {
        .start = VirtualAlloc(NULL, PORT_BYTES, MEM_RESERVE, PAGE_NOACCESS),
        .bytes = PORT_BYTES,
        .contents = VK_CONTENTS_ZERO,
    };
    if (region.start && vk_create(&config, &region, &port_kernel) == 0 &&
        vm_sim_backend(&backend, port_kernel) == 0)
        vm_kernel_install(&backend);
}

/* --- the end of a thread -------------------------------------------------------------------------------- */

static void NTAPI thread_changed(void *module, DWORD reason, void *reserved)
{
    (void)module;
    (void)reserved;
    if (reason == DLL_THREAD_DETACH)
        vm_kernel_thread_ended();
}

/* The loader calls what is listed in this section, in the order of its names: before XLD, where the C library ends the
   thread's variables, one of which says which heap it has. */
__attribute__((section(".CRT$XLB"), used)) static const PIMAGE_TLS_CALLBACK on_thread_change = thread_changed;
