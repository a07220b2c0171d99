/* SPDX-License-Identifier: MIT */
/*
 * names.c - which functions come from the allocator, which stay the C library's, and that blocks of one name
 * may be given to any other. Runs dynamically linked only.
 */
#include "case.h"

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *block, size_t size);
extern void __libc_free(void *block);
extern void *__libc_memalign(size_t alignment, size_t size);
extern void *__libc_valloc(size_t size);
extern void *__libc_pvalloc(size_t size);

/* As a binary from before glibc 2.26 refers to it. */
#if defined(__x86_64__)
__asm__(".symver old_cfree, cfree@GLIBC_2.2.5");
#elif defined(__i386__)
__asm__(".symver old_cfree, cfree@GLIBC_2.0");
#else
#define old_cfree free
#endif
extern void old_cfree(void *block);

/* 32-bit linkers settle the address of a weak function that no library has at the link, as NULL. */
#ifdef __i386__
#define WEAK(name) dlsym(RTLD_DEFAULT, #name)
#else
#define WEAK(name) (const void *)(uintptr_t)name
#endif

static const void *base_of(const void *address)
{
    Dl_info info;
    return address != NULL && dladdr(address, &info) != 0 ? info.dli_fbase : NULL;
}

/* The library that malloc comes from. */
static const void *allocator_base(void)
{
    const void *base = base_of(dlsym(RTLD_DEFAULT, "malloc"));
    REQUIRE(base != NULL);
    return base;
}

static void expect_from_allocator(const char *const *names, size_t n_names)
{
    for (size_t i = 0; i < n_names; i++)
        EXPECT_NOTE(base_of(dlsym(RTLD_DEFAULT, names[i])) == allocator_base(), "%s is not the allocator's",
                    names[i]);
}

CASE(every_name, "0.1 1.20.a 10.1", "every function of glibc's family comes from one library")
{
    static const char *const names[] = {
        "malloc",         "calloc",          "realloc",       "reallocarray",
        "free",           "memalign",        "aligned_alloc", "posix_memalign",
        "valloc",         "pvalloc",         "mallopt",       "malloc_usable_size",
        "mallinfo",       "mallinfo2",       "malloc_stats",  "malloc_info",
        "malloc_trim",    "__libc_malloc",   "__libc_calloc", "__libc_realloc",
        "__libc_free",    "__libc_memalign", "__libc_valloc", "__libc_pvalloc",
        "__libc_mallopt", "__libc_mallinfo"};
    expect_from_allocator(names, sizeof names / sizeof names[0]);
}

CASE(newer_names, "1.19.a 1.6.b 10.1", "so do the names of C23, and cfree without a version")
{
    static const char *const names[] = {"free_sized", "free_aligned_sized", "cfree"};
    expect_from_allocator(names, sizeof names / sizeof names[0]);
}

/* By name and symbol version, as the loader settled this program's own references. */
CASE(bound, "0.1 0.17 10.1", "what this program was linked with is bound to the allocator")
{
    const void *bound[] = {
        (const void *)(uintptr_t)malloc,
        (const void *)(uintptr_t)calloc,
        (const void *)(uintptr_t)realloc,
        (const void *)(uintptr_t)reallocarray,
        (const void *)(uintptr_t)free,
        (const void *)(uintptr_t)memalign,
        (const void *)(uintptr_t)aligned_alloc,
        (const void *)(uintptr_t)posix_memalign,
        (const void *)(uintptr_t)valloc,
        (const void *)(uintptr_t)pvalloc,
        (const void *)(uintptr_t)malloc_usable_size,
        (const void *)(uintptr_t)mallopt,
        (const void *)(uintptr_t)mallinfo2,
        (const void *)(uintptr_t)malloc_stats,
        (const void *)(uintptr_t)malloc_info,
        (const void *)(uintptr_t)malloc_trim,
        (const void *)(uintptr_t)__libc_malloc,
        (const void *)(uintptr_t)__libc_calloc,
        (const void *)(uintptr_t)__libc_realloc,
        (const void *)(uintptr_t)__libc_free,
        (const void *)(uintptr_t)__libc_memalign,
        (const void *)(uintptr_t)__libc_valloc,
        (const void *)(uintptr_t)__libc_pvalloc,
        (const void *)(uintptr_t)old_cfree,
    };
    for (size_t i = 0; i < sizeof bound / sizeof bound[0]; i++)
        EXPECT_NOTE(base_of(bound[i]) == allocator_base(), "reference %zu is not bound to the allocator", i);
}

CASE(bound_newer, "1.19.a", "references to the names of C23 are bound to the allocator")
{
    EXPECT(base_of(WEAK(free_sized)) == allocator_base());
    EXPECT(base_of(WEAK(free_aligned_sized)) == allocator_base());
    EXPECT(base_of(WEAK(cfree)) == allocator_base());
}

CASE(old_cfree_frees, "1.6.a", "cfree of binaries from before glibc 2.26 frees")
{
    size_t before = mallinfo2().uordblks;
    errno = ERRNO_MARK;
    for (size_t i = 0; i < 20000; i++)
        old_cfree(malloc(1000));
    old_cfree(NULL);
    EXPECT_EQ(errno, ERRNO_MARK);
    EXPECT(mallinfo2().uordblks <= before + 64 * KIB);
}

CASE(plain_cfree_frees, "1.6.b", "cfree without a version frees")
{
    REQUIRE_FUNCTION(cfree);
    size_t before = mallinfo2().uordblks;
    errno = ERRNO_MARK;
    for (size_t i = 0; i < 20000; i++)
        cfree(malloc(1000));
    cfree(NULL);
    EXPECT_EQ(errno, ERRNO_MARK);
    EXPECT(mallinfo2().uordblks <= before + 64 * KIB);
}

CASE(left_to_libc, "0.25 1.21 1.23.a 1.24.a", "functions that only use malloc stay the C library's")
{
    static const char *const names[] = {
        "strdup",       "strndup", "realpath", "getline",        "getdelim", "asprintf", "open_memstream",
        "getcwd",       "scandir", "regcomp",  "mcheck",         "mprobe",   "mtrace",   "muntrace",
        "obstack_free", "fork",    "mmap",     "__libc_freeres", "sbrk",     "wcsdup"};
    const void *libc = base_of(dlsym(RTLD_DEFAULT, "qsort"));
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        EXPECT_NOTE(base_of(dlsym(RTLD_DEFAULT, names[i])) == libc, "%s is not the C library's", names[i]);
}

CASE(not_there, "1.18 1.20.c 1.22 1.27",
     "names that are in neither, or that would pollute, are not defined by us")
{
    static const char *const names[] = {"malloc_get_state",
                                        "malloc_set_state",
                                        "__malloc_hook",
                                        "__free_hook",
                                        "__realloc_hook",
                                        "__memalign_hook",
                                        "__malloc_initialize_hook",
                                        "__morecore",
                                        "malloc_size",
                                        "malloc_good_size",
                                        "reallocarr",
                                        "vfree",
                                        "mallctl",
                                        "malloc_count"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        EXPECT_NOTE(dlsym(RTLD_DEFAULT, names[i]) == NULL, "%s is defined", names[i]);
    /* Private to glibc: if it is there, it is not ours. */
    const void *libc = base_of(dlsym(RTLD_DEFAULT, "qsort"));
    const void *hidden = base_of(dlsym(RTLD_DEFAULT, "__libc_reallocarray"));
    EXPECT(hidden == NULL || hidden == libc);
}

/* One way to get a block of each kind, three ways to give it up. */
CASE(libc_names_work, "1.20.a 1.20.b", "__libc_malloc and its kin share blocks with malloc and free")
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    static const size_t sizes[] = {0, 1, 24, 1000, 40000, 500000};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        size_t size = sizes[i];
        unsigned char *blocks[6] = {
            __libc_malloc(size),        __libc_calloc(size, 1), __libc_realloc(NULL, size),
            __libc_memalign(256, size), __libc_valloc(size),    __libc_pvalloc(size),
        };
        for (size_t k = 0; k < 6; k++) {
            REQUIRE(blocks[k] != NULL);
            EXPECT(malloc_usable_size(blocks[k]) >= size);
            stamp_fill(blocks[k], k == 1 ? 0 : size, k);
        }
        EXPECT_EQ(zero_bytes(blocks[1], malloc_usable_size(blocks[1])), malloc_usable_size(blocks[1]));
        EXPECT((uintptr_t)blocks[3] % 256 == 0);
        EXPECT((uintptr_t)blocks[4] % page == 0);
        EXPECT((uintptr_t)blocks[5] % page == 0);
        for (size_t k = 0; k < 6; k++) {
            EXPECT_STAMP(blocks[k], k == 1 ? 0 : size, k);
            if (k % 3 == 2) {
                blocks[k] = __libc_realloc(blocks[k], size + 3000);
                REQUIRE(blocks[k] != NULL);
                EXPECT_STAMP(blocks[k], size, k);
            }
            if (k % 3 == 1)
                __libc_free(blocks[k]);
            else
                free(blocks[k]);
        }
    }
    errno = ERRNO_MARK;
    void *block = __libc_malloc(10);
    EXPECT_SAME(__libc_realloc(block, 0), NULL);
    __libc_free(NULL);
    EXPECT_EQ(errno, ERRNO_MARK);
}

static void *found(const char *name)
{
    return dlsym(RTLD_DEFAULT, name);
}

CASE(vm_names_work, "10.1", "the vm_ names give and take the same blocks as the C library's names")
{
    REQUIRE_FUNCTION(vm_malloc);
    void *(*vm_malloc_found)(size_t);
    void (*vm_free_found)(void *);
    size_t (*vm_usable_found)(void *);
    memcpy(&vm_malloc_found, (void *[]){found("vm_malloc")}, sizeof vm_malloc_found);
    memcpy(&vm_free_found, (void *[]){found("vm_free")}, sizeof vm_free_found);
    memcpy(&vm_usable_found, (void *[]){found("vm_malloc_usable_size")}, sizeof vm_usable_found);
    for (size_t size = 1; size < 1000000; size *= 7) {
        void *left = vm_malloc_found(size), *right = malloc(size);
        REQUIRE(left != NULL && right != NULL);
        EXPECT_EQ(malloc_usable_size(left), vm_usable_found(right));
        free(left);
        vm_free_found(right);
    }
    static const char *const names[] = {"vm_malloc",
                                        "vm_calloc",
                                        "vm_realloc",
                                        "vm_reallocarray",
                                        "vm_free",
                                        "vm_free_sized",
                                        "vm_cfree",
                                        "vm_memalign",
                                        "vm_free_aligned_sized",
                                        "vm_mallopt",
                                        "vm_aligned_alloc",
                                        "vm_posix_memalign",
                                        "vm_mallinfo",
                                        "vm_mallinfo2",
                                        "vm_malloc_stats",
                                        "vm_malloc_stats_print",
                                        "vm_abort_message",
                                        "vm_malloc_info",
                                        "vm_malloc_trim",
                                        "vm_valloc",
                                        "vm_pvalloc",
                                        "vm_malloc_usable_size"};
    expect_from_allocator(names, sizeof names / sizeof names[0]);
}

int main(int argc, char **argv)
{
    return case_main(argc, argv);
}
