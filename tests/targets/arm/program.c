/* SPDX-License-Identifier: MIT */
/* program.c - newlib on vmalloc: what mixed.c checks, and that newlib's own functions allocate here. */
#define _GNU_SOURCE /* asprintf */
#include <errno.h>
#include <reent.h>
#include <stdio.h>
#include <string.h>
#include <malloc.h>
#include "../mixed.h"

static bool is_ours(const void *block)
{
    const struct vk_usage usage = vk_usage(vk_flat_mm(port_kernel));
    return (vk_va)block >= usage.low && (vk_va)block < usage.high;
}

static void check_newlib(void)
{
    free(malloc(1)); /* the heap is there */
    const size_t before = vm_mallinfo2().uordblks;
    puts("# the first line");
    say(vm_mallinfo2().uordblks > before, "the buffer of standard output is ours", 0);

    char *text = NULL;
    const int length = asprintf(&text, "%s %.20g %08d", "text", 1.0 / 3, 42);
    say(length > 30 && is_ours(text) && !strncmp(text, "text 0.33333333333333331", 24),
        "asprintf allocates here, with all digits", (unsigned long)length);
    free(text);

    char *const copy = strdup("copy");
    say(is_ours(copy) && malloc_usable_size(copy) >= 5, "strdup allocates here", 0);
    free(copy);
}

static void check_contexts(void)
{
    static struct _reent context;
    _REENT_INIT_PTR(&context);
    void *block = _malloc_r(&context, 10);
    say(is_ours(block), "_malloc_r", 0);
    block = _realloc_r(&context, block, 100000);
    say(is_ours(block) && malloc_usable_size(block) >= 100000, "_realloc_r", 0);
    _free_r(&context, block);
    unsigned char *const zeroed = _calloc_r(&context, 100, 10);
    say(is_ours(zeroed) && !zeroed[0] && !zeroed[999], "_calloc_r", 0);
    free(zeroed);
    void *const aligned = _memalign_r(&context, 256, 10);
    say(is_ours(aligned) && (uintptr_t)aligned % 256 == 0, "_memalign_r", 0);
    free(aligned);
    say(!_malloc_r(&context, PTRDIFF_MAX) && context._errno == ENOMEM, "a context has an errno of its own",
        (unsigned long)context._errno);
}

int main(void)
{
    check_newlib();
    check_contexts();
    check_malloc();
    return finish();
}
