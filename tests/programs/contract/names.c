/* SPDX-License-Identifier: MIT */
/*
 * names.c - every name of the family, looked up at run time and as this program is bound to it, is vmalloc's;
 * blocks of one name may be given to any other; the names that libc's callers use directly (__libc_malloc
 * ...) work.
 */
#include "api.h"
#include "tools.h"

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

static const char *const plain_names[] = {
    "malloc",
    "calloc",
    "realloc",
    "reallocarray",
    "free",
    "free_sized",
    "free_aligned_sized",
    "cfree",
    "memalign",
    "aligned_alloc",
    "posix_memalign",
    "valloc",
    "pvalloc",
    "malloc_usable_size",
    "mallopt",
    "mallinfo",
    "mallinfo2",
    "malloc_stats",
    "malloc_info",
    "malloc_trim",
    "__libc_malloc",
    "__libc_calloc",
    "__libc_realloc",
    "__libc_free",
    "__libc_memalign",
    "__libc_valloc",
    "__libc_pvalloc",
};

static const char *const vm_names[] = {
    "vm_malloc",
    "vm_calloc",
    "vm_realloc",
    "vm_reallocarray",
    "vm_free",
    "vm_free_sized",
    "vm_free_aligned_sized",
    "vm_cfree",
    "vm_memalign",
    "vm_aligned_alloc",
    "vm_posix_memalign",
    "vm_valloc",
    "vm_pvalloc",
    "vm_malloc_usable_size",
    "vm_mallopt",
    "vm_mallinfo",
    "vm_mallinfo2",
    "vm_malloc_stats",
    "vm_malloc_stats_print",
    "vm_malloc_info",
    "vm_malloc_trim",
};

/* What must stay libc's own. */
static const char *const libc_names[] = {"strdup",         "strndup", "realpath", "getline",
                                         "asprintf",       "mcheck",  "mtrace",   "obstack_free",
                                         "__libc_freeres", "fork",    "mmap",     "sbrk"};

static const void *base_of(const void *address)
{
    Dl_info info;
    return address != NULL && dladdr(address, &info) != 0 ? info.dli_fbase : NULL;
}

static void check_origin(void)
{
    const void *ours = base_of(dlsym(RTLD_DEFAULT, "vm_malloc"));
    REQUIRE(ours != NULL);
    for (size_t i = 0; i < sizeof plain_names / sizeof plain_names[0]; i++)
        EXPECT_NOTE(base_of(dlsym(RTLD_DEFAULT, plain_names[i])) == ours, "%s is not vmalloc's",
                    plain_names[i]);
    for (size_t i = 0; i < sizeof vm_names / sizeof vm_names[0]; i++)
        EXPECT_NOTE(base_of(dlsym(RTLD_DEFAULT, vm_names[i])) == ours, "%s is not vmalloc's", vm_names[i]);
    for (size_t i = 0; i < sizeof libc_names / sizeof libc_names[0]; i++)
        EXPECT_NOTE(base_of(dlsym(RTLD_DEFAULT, libc_names[i])) != ours, "%s must be left to libc",
                    libc_names[i]);
}

/* 32-bit linkers settle the address of a weak function that no library has at the link, as NULL. */
#ifdef __i386__
#define WEAK(name) dlsym(RTLD_DEFAULT, #name)
#else
#define WEAK(name) (const void *)(uintptr_t)name
#endif

/* The functions as this program's own references were bound: by name and symbol version. */
static void check_binding(void)
{
    const void *ours = base_of(dlsym(RTLD_DEFAULT, "vm_malloc"));
    const void *bound[] = {
        (const void *)(uintptr_t)malloc,
        (const void *)(uintptr_t)calloc,
        (const void *)(uintptr_t)realloc,
        (const void *)(uintptr_t)reallocarray,
        (const void *)(uintptr_t)free,
        WEAK(free_sized),
        WEAK(free_aligned_sized),
        WEAK(cfree),
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
        EXPECT_NOTE(base_of(bound[i]) == ours, "reference number %zu is not bound to vmalloc", i);
}

static void check_libc_names(void)
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
            if (k == 1)
                EXPECT_EQ(zero_bytes(blocks[k], malloc_usable_size(blocks[k])),
                          malloc_usable_size(blocks[k]));
            stamp_fill(blocks[k], size, k);
        }
        EXPECT((uintptr_t)blocks[3] % 256 == 0);
        EXPECT((uintptr_t)blocks[4] % page == 0);
        EXPECT((uintptr_t)blocks[5] % page == 0);
        for (size_t k = 0; k < 6; k++) {
            EXPECT_STAMP(blocks[k], size, k);
            switch (k % 3) {
            case 0:
                free(blocks[k]);
                break;
            case 1:
                __libc_free(blocks[k]);
                break;
            default:
                blocks[k] = __libc_realloc(blocks[k], size + 3000);
                REQUIRE(blocks[k] != NULL);
                EXPECT_STAMP(blocks[k], size, k);
                free(blocks[k]);
                break;
            }
        }
    }
    errno = 0;
    EXPECT_SAME(__libc_malloc((size_t)PTRDIFF_MAX + 1), NULL);
    EXPECT_EQ(errno, ENOMEM);
    errno = 0;
    EXPECT_SAME(__libc_calloc(SIZE_MAX, 2), NULL);
    EXPECT_EQ(errno, ENOMEM);
    errno = 0;
    EXPECT_SAME(__libc_pvalloc(SIZE_MAX), NULL);
    EXPECT_EQ(errno, ENOMEM);
    errno = 0;
    EXPECT_SAME(__libc_memalign(SIZE_MAX, 1), NULL);
    EXPECT_EQ(errno, EINVAL);
    errno = 4242;
    void *block = __libc_malloc(10);
    EXPECT_SAME(__libc_realloc(block, 0), NULL);
    __libc_free(NULL);
    EXPECT_EQ(errno, 4242);
}

/* The vm_ names give and take the same blocks as the C library's names. */
static void check_vm_names(void)
{
    void *(*vm_malloc_found)(size_t);
    void (*vm_free_found)(void *);
    size_t (*vm_usable_found)(void *);
    void *found = dlsym(RTLD_DEFAULT, "vm_malloc");
    memcpy(&vm_malloc_found, &found, sizeof found);
    found = dlsym(RTLD_DEFAULT, "vm_free");
    memcpy(&vm_free_found, &found, sizeof found);
    found = dlsym(RTLD_DEFAULT, "vm_malloc_usable_size");
    memcpy(&vm_usable_found, &found, sizeof found);
    for (size_t size = 1; size < 1000000; size *= 7) {
        void *left = vm_malloc_found(size), *right = malloc(size);
        REQUIRE(left != NULL && right != NULL);
        EXPECT_EQ(malloc_usable_size(left), vm_usable_found(right));
        free(left);
        vm_free_found(right);
    }
    /* What libc itself allocates is ours: a foreign block would end the process here. */
    char *copy = strdup("a string");
    REQUIRE(copy != NULL);
    EXPECT(vm_usable_found(copy) >= 9);
    vm_free_found(copy);
    char *text = NULL;
    EXPECT(asprintf(&text, "%s %d", "number", 7) == 8);
    EXPECT(vm_usable_found(text) >= 9);
    free(text);
    char *directory = getcwd(NULL, 0);
    REQUIRE(directory != NULL);
    EXPECT(vm_usable_found(directory) > 0);
    free(directory);
}

int main(void)
{
    watchdog_start(60);
    api_assert_served();
    if (api_on_glibc())
        SKIP("there are no vm_ names under glibc's malloc");
    check_origin();
    check_binding();
    check_libc_names();
    check_vm_names();
    return expect_result();
}
