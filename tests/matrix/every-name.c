/* SPDX-License-Identifier: MIT */
/*
 * every-name.c - calls every public name of the library once, under its C library name and its vm_ name, and checks
 * the least that each promises. Linked statically it shows that libvmalloc.a leaves no name to the C library's
 * malloc.o, which would define the others twice. Prints TAP. Needs no header of the C library that names malloc's
 * rarer relatives, so that it builds on glibc and musl alike.
 */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <vmalloc/vmalloc.h>

void *malloc(size_t size);
void *calloc(size_t count, size_t size);
void *realloc(void *block, size_t size);
void *reallocarray(void *block, size_t count, size_t size);
void free(void *block);
void free_sized(void *block, size_t size);
void free_aligned_sized(void *block, size_t alignment, size_t size);
void cfree(void *block);
void *memalign(size_t alignment, size_t size);
void *aligned_alloc(size_t alignment, size_t size);
int posix_memalign(void **result, size_t alignment, size_t size);
void *valloc(size_t size);
void *pvalloc(size_t size);
size_t malloc_usable_size(void *block);
int mallopt(int parameter, int value);
struct vm_mallinfo mallinfo(void);
struct vm_mallinfo2 mallinfo2(void);
void malloc_stats(void);
int malloc_info(int options, FILE *stream);
int malloc_trim(size_t pad);
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *block, size_t size);
void __libc_free(void *block);
void __libc_cfree(void *block);
void *__libc_memalign(size_t alignment, size_t size);
void *__libc_valloc(size_t size);
void *__libc_pvalloc(size_t size);
int __libc_mallopt(int parameter, int value);
struct vm_mallinfo __libc_mallinfo(void);
int __posix_memalign(void **result, size_t alignment, size_t size);

static int failures;
static int cases;

static void check(int passed, const char *name)
{
    printf("%s %d - %s\n", passed ? "ok" : "not ok", ++cases, name);
    failures += !passed;
}

/* A block of `size` bytes at least, aligned, and writable over all its usable bytes. */
static int good(void *block, size_t alignment, size_t size)
{
    if (block == NULL || (uintptr_t)block % alignment != 0 || malloc_usable_size(block) < size ||
        vm_malloc_usable_size(block) != malloc_usable_size(block)) {
        return 0;
    }
    memset(block, 0xa5, malloc_usable_size(block));
    return 1;
}

static int zero(const unsigned char *block, size_t size)
{
    while (size > 0 && block != NULL && block[size - 1] == 0) {
        size--;
    }
    return size == 0;
}

/* Each family frees what the other one allocated. */
#define CHECK_NEW(call, alignment, size, release)                                                            \
    do {                                                                                                     \
        void *new_block = call;                                                                              \
        check(good(new_block, alignment, size), #call " and " #release);                                     \
        release(new_block);                                                                                  \
    } while (0)

static void release_sized(void *block)
{
    free_sized(block, 100);
}

static void release_aligned_sized(void *block)
{
    free_aligned_sized(block, 64, 100);
}

static void vm_release_sized(void *block)
{
    vm_free_sized(block, 100);
}

static void vm_release_aligned_sized(void *block)
{
    vm_free_aligned_sized(block, 64, 100);
}

static void check_blocks(void)
{
    CHECK_NEW(malloc(100), 16, 100, vm_free);
    CHECK_NEW(vm_malloc(100), 16, 100, free);
    CHECK_NEW(__libc_malloc(100), 16, 100, cfree);
    CHECK_NEW(calloc(10, 10), 16, 100, vm_cfree);
    CHECK_NEW(vm_calloc(10, 10), 16, 100, __libc_free);
    CHECK_NEW(__libc_calloc(10, 10), 16, 100, __libc_cfree);
    CHECK_NEW(realloc(malloc(10), 100), 16, 100, release_sized);
    CHECK_NEW(vm_realloc(malloc(10), 100), 16, 100, vm_release_sized);
    CHECK_NEW(__libc_realloc(malloc(10), 100), 16, 100, free);
    CHECK_NEW(reallocarray(malloc(10), 10, 10), 16, 100, free);
    CHECK_NEW(vm_reallocarray(malloc(10), 10, 10), 16, 100, free);
    CHECK_NEW(memalign(64, 100), 64, 100, free);
    CHECK_NEW(vm_memalign(64, 100), 64, 100, free);
    CHECK_NEW(__libc_memalign(64, 100), 64, 100, free);
    CHECK_NEW(aligned_alloc(64, 100), 64, 100, release_aligned_sized);
    CHECK_NEW(vm_aligned_alloc(64, 100), 64, 100, vm_release_aligned_sized);
    CHECK_NEW(valloc(100), 4096, 100, free);
    CHECK_NEW(vm_valloc(100), 4096, 100, free);
    CHECK_NEW(__libc_valloc(100), 4096, 100, free);
    CHECK_NEW(pvalloc(100), 4096, 4096, free);
    CHECK_NEW(vm_pvalloc(100), 4096, 4096, free);
    CHECK_NEW(__libc_pvalloc(100), 4096, 4096, free);

    void *block = NULL;
    check(posix_memalign(&block, 64, 100) == 0 && good(block, 64, 100), "posix_memalign(&block, 64, 100)");
    free(block);
    check(vm_posix_memalign(&block, 64, 100) == 0 && good(block, 64, 100),
          "vm_posix_memalign(&block, 64, 100)");
    free(block);
    check(__posix_memalign(&block, 64, 100) == 0 && good(block, 64, 100),
          "__posix_memalign(&block, 64, 100)");
    free(block);

    unsigned char *bytes = calloc(1000, 10);
    check(zero(bytes, 10000), "calloc(1000, 10) is zero");
    free(bytes);
}

static void check_others(void)
{
    void *block = malloc(1000);
    struct vm_mallinfo small = mallinfo();
    struct vm_mallinfo other = vm_mallinfo();
    struct vm_mallinfo2 wide = mallinfo2();
    check(wide.uordblks >= 1000 && wide.arena == wide.uordblks + wide.fordblks, "mallinfo2()");
    check((size_t)small.uordblks == wide.uordblks, "mallinfo()");
    check(memcmp(&small, &other, sizeof small) == 0, "vm_mallinfo()");
    other = __libc_mallinfo();
    check(memcmp(&small, &other, sizeof small) == 0, "__libc_mallinfo()");
    struct vm_mallinfo2 wide_again = vm_mallinfo2();
    check(memcmp(&wide, &wide_again, sizeof wide) == 0, "vm_mallinfo2()");
    free(block);

    check(mallopt(VM_M_TRIM_THRESHOLD, 1 << 20) == 1 && mallopt(VM_M_MXFAST, 1000) == 0, "mallopt()");
    check(vm_mallopt(VM_M_MMAP_MAX, 1000) == 1 && vm_mallopt(VM_M_MXFAST, -1) == 0, "vm_mallopt()");
    check(__libc_mallopt(VM_M_TOP_PAD, 1 << 16) == 1, "__libc_mallopt()");
    int trimmed = malloc_trim(0);
    check(trimmed == 0 || trimmed == 1, "malloc_trim(0)");
    trimmed = vm_malloc_trim(1 << 20);
    check(trimmed == 0 || trimmed == 1, "vm_malloc_trim(1 << 20)");

    FILE *stream = tmpfile();
    check(stream != NULL && malloc_info(1, stream) == EINVAL && ftell(stream) == 0,
          "malloc_info(1) is refused");
    check(stream != NULL && malloc_info(0, stream) == 0 && ftell(stream) > 0, "malloc_info(0)");
    long length = stream != NULL ? ftell(stream) : 0;
    check(stream != NULL && vm_malloc_info(0, stream) == 0 && ftell(stream) > length, "vm_malloc_info(0)");
    length = stream != NULL ? ftell(stream) : 0;
    check(stream != NULL && vm_malloc_stats_print(stream, VM_STATS_JSON) == 0 && ftell(stream) > length,
          "vm_malloc_stats_print()");
    if (stream != NULL) {
        fclose(stream);
    }
    malloc_stats(); /* what they print is in the statistics' own tests */
    vm_malloc_stats();
    free(NULL);
    check(1, "malloc_stats(), vm_malloc_stats(), free(NULL)");
}

int main(void)
{
    check_blocks();
    check_others();
    printf("1..%d\n", cases);
    return failures == 0 ? 0 : 1;
}
