/* SPDX-License-Identifier: MIT */
/*
 * misuse.c - one process for each misuse; what it prints and how it ends is asserted word by word.
 *
 *   misuse           runs every case as a process of its own, TAP on stdout
 *   misuse CASE      does that misuse; what it expects on stderr goes to file descriptor 3 if that is open
 *
 * A case announces the exact text first (it knows the addresses), then does the misuse. Where the allocator
 * may give one of several answers the case announces all of them, and one must match; '*' at the end stands
 * for any rest of the line. The case's stderr is a pipe. A case that announces nothing must end well and
 * print nothing.
 */
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "api.h"
#include "tools.h"

extern char **environ;

enum { ANNOUNCE_FD = 3, TEXT_MAX = 4096 };

/* Through volatile pointers, so that no compiler sees the misuse. */
static void (*volatile do_free)(void *) = api_free;
static void *(*volatile do_realloc)(void *, size_t) = api_realloc;
static void *(*volatile do_malloc)(size_t) = api_malloc;
static size_t (*volatile do_usable)(void *) = api_malloc_usable_size;

/* ---- what a case announces ---- */

__attribute__((format(printf, 1, 2))) static void announce(const char *format, ...)
{
    char text[TEXT_MAX];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(text, sizeof text - 1, format, arguments);
    va_end(arguments);
    REQUIRE(length > 0 && (size_t)length < sizeof text - 1);
    text[length] = '\0';
    /* The terminating zero parts one answer from the next. Without a reader (run by hand) the write just
       fails. */
    ssize_t written = write(ANNOUNCE_FD, text, (size_t)length + 1);
    (void)written;
}

/* free: the wording of glibc for a block that was freed just before. */
static const char *double_free_line(const char *function)
{
    return strcmp(function, "free") == 0 ? "free(): double free detected in tcache 2" : NULL;
}

/* "freed twice" of free, something else of others. */
static const char *cause_if_free(const char *function)
{
    return strcmp(function, "free") == 0 ? "freed twice" : "used after it was freed";
}

static void announce_double(const char *function, const void *block, size_t usable)
{
    const char *first = double_free_line(function);
    announce("%s%s\nvmalloc: %s(%p): this block of %zu bytes is already free; likely cause: %s\n",
             first != NULL ? first : function, first != NULL ? "" : "(): invalid pointer", function, block,
             usable, cause_if_free(function));
}

static void announce_inside(const char *function, const void *address, const char *state, const void *block,
                            size_t usable)
{
    announce("%s(): invalid pointer\nvmalloc: %s(%p): points %zu bytes into a %s block of %zu bytes at %p; "
             "likely cause: %s\n",
             function, function, address, (size_t)((const char *)address - (const char *)block), state,
             usable, block,
             strcmp(state, "live") == 0 ? "the pointer was moved from the block's start"
                                        : "an offset into a block that was freed");
}

/* What the second line says of an address that is nobody's block. */
static const char where_nothing[] =
    "no memory is there; likely cause: a large block freed before, or a wild pointer";
static const char where_stack[] = "it lies in the calling thread's stack; likely cause: a local variable";
static const char where_main_stack[] = "it lies in the main thread's stack; likely cause: a local variable";
static const char where_arguments[] =
    "it lies among the program's arguments and environment; likely cause: a string of argv or getenv";
static const char where_program[] =
    "it lies in the program's own image; likely cause: a static variable or a constant";
static const char where_libc[] =
    "it looks like one of the C library's own malloc; likely cause: a plug-in opened with RTLD_DEEPBIND, or "
    "malloc looked up by dlsym on the C library's handle";
static const char where_break[] =
    "it lies in memory that somebody else got by sbrk; likely cause: another allocator's block";
static const char where_other[] = "it lies in memory of somebody else; likely cause: another allocator's "
                                  "block, memory of mmap, or a library's static variable";

static void announce_foreign(const char *function, const void *address, const char *where)
{
    announce("%s(): invalid pointer\nvmalloc: %s(%p): not a block of this allocator: %s\n", function,
             function, address, where);
}

/* In the allocator's pages, but in no span that it knows now. */
static void announce_gone(const char *function, const void *address)
{
    const bool is_free = strcmp(function, "free") == 0;
    announce("%s%s\nvmalloc: %s(%p): not a block of this allocator any more: freed long ago, or never "
             "allocated; likely cause: %s\n",
             is_free ? "double free or corruption (!prev)" : function, is_free ? "" : "(): invalid pointer",
             function, address, cause_if_free(function));
}

static void announce_any_invalid(const char *function, const void *address)
{
    announce("%s(): invalid pointer\nvmalloc: %s(%p): *", function, function, address);
}

/* ---- helpers ---- */

static void *block_of(size_t size)
{
    void *block = do_malloc(size);
    REQUIRE(block != NULL);
    memset(block, 0x11, size);
    return block;
}

/* Live neighbours, so that the slab of `size` stays where it is. */
static void keep_neighbours(size_t size)
{
    for (size_t i = 0; i < 20; i++)
        block_of(size);
}

static void *thread_free(void *block)
{
    do_free(block);
    return NULL;
}

static void free_in_thread(void *block)
{
    pthread_t thread;
    REQUIRE(pthread_create(&thread, NULL, thread_free, block) == 0);
    pthread_join(thread, NULL);
}

/* For misuse that may be found out when its slab is next touched, not at once: touches it. No block comes twice. */
static void touch_slab(size_t size)
{
    enum { COUNT = 2000 };
    static char *blocks[COUNT];
    for (size_t i = 0; i < COUNT; i++) {
        blocks[i] = block_of(size);
        memset(blocks[i], 0, size);
        memcpy(blocks[i], &i, sizeof i);
    }
    for (size_t i = 0; i < COUNT; i++) {
        size_t found;
        memcpy(&found, blocks[i], sizeof found);
        EXPECT_EQ(found, i);
        do_free(blocks[i]);
    }
}

/* ---- double free ---- */

static void double_free_of(size_t size)
{
    keep_neighbours(size);
    void *block = block_of(size);
    size_t usable = do_usable(block);
    announce_double("free", block, usable);
    do_free(block);
    do_free(block);
}

static void case_double_free_0(void)
{
    double_free_of(0);
}

static void case_double_free_24(void)
{
    double_free_of(24);
}

static void case_double_free_100(void)
{
    double_free_of(100);
}

static void case_double_free_1024(void)
{
    double_free_of(1024);
}

static void case_double_free_5000(void)
{
    double_free_of(5000);
}

static void case_double_free_32768(void)
{
    double_free_of(32768);
}

static void case_double_free_other_between(void)
{
    keep_neighbours(40);
    void *a = block_of(40), *b = block_of(40);
    announce_double("free", a, do_usable(a));
    do_free(a);
    do_free(b);
    do_free(a);
}

static void case_double_free_long_after(void)
{
    enum { COUNT = 20000 };
    static void *blocks[COUNT];
    for (size_t i = 0; i < COUNT; i++)
        blocks[i] = block_of(64);
    void *victim = blocks[COUNT / 2];
    announce_double("free", victim, do_usable(victim));
    do_free(victim);
    for (size_t i = 0; i < COUNT; i += 2)
        if (blocks[i] != victim)
            do_free(blocks[i]);
    do_free(victim);
}

static void case_double_free_after_other_sizes(void)
{
    keep_neighbours(64);
    void *victim = block_of(64);
    announce_double("free", victim, do_usable(victim));
    do_free(victim);
    for (size_t size = 100; size < 100000; size += 50)
        do_free(block_of(size));
    do_free(victim);
}

/* The whole slab may be gone by then: both answers are right, silence is not. */
static void case_double_free_slab_gone(void)
{
    enum { COUNT = 20000 };
    static void *blocks[COUNT];
    for (size_t i = 0; i < COUNT; i++)
        blocks[i] = block_of(64);
    void *victim = blocks[COUNT / 2];
    announce_double("free", victim, do_usable(victim));
    announce_gone("free", victim);
    announce_foreign("free", victim, where_nothing);
    for (size_t i = 0; i < COUNT; i++)
        do_free(blocks[i]);
    do_free(victim);
}

static void case_double_free_thread_then_main(void)
{
    keep_neighbours(100);
    void *block = block_of(100);
    announce_double("free", block, do_usable(block));
    free_in_thread(block);
    do_free(block);
    touch_slab(100);
}

static void case_double_free_main_then_thread(void)
{
    keep_neighbours(100);
    void *block = block_of(100);
    announce_double("free", block, do_usable(block));
    do_free(block);
    free_in_thread(block);
}

static void case_double_free_two_threads(void)
{
    keep_neighbours(100);
    void *block = block_of(100);
    announce_double("free", block, do_usable(block));
    free_in_thread(block);
    free_in_thread(block);
}

static void *twice_in_thread(void *block)
{
    do_free(block);
    do_free(block);
    return NULL;
}

static void case_double_free_twice_in_other_thread(void)
{
    keep_neighbours(100);
    void *block = block_of(100);
    announce_double("free", block, do_usable(block));
    pthread_t thread;
    REQUIRE(pthread_create(&thread, NULL, twice_in_thread, block) == 0);
    pthread_join(thread, NULL);
}

static void *allocating_thread(void *argument)
{
    (void)argument;
    keep_neighbours(100);
    return block_of(100);
}

static void case_double_free_owner_dead(void)
{
    pthread_t thread;
    void *block = NULL;
    REQUIRE(pthread_create(&thread, NULL, allocating_thread, NULL) == 0);
    pthread_join(thread, &block);
    announce_double("free", block, do_usable(block));
    do_free(block);
    do_free(block);
}

/* A middle block that waits, once it is freed, for a request of its length, and is known as long: if a trim is far, and the
   allocator has found out by another's free. */
static char *block_that_waits(size_t n_bytes)
{
    enum { TRIM_THRESHOLD = -1 }; /* glibc's M_TRIM_THRESHOLD, which not every C library's header has */
    REQUIRE(api_mallopt(TRIM_THRESHOLD, 64 * MIB) == 1);
    do_free(block_of(n_bytes));
    return block_of(n_bytes);
}

static void case_double_free_middle(void)
{
    void *block = block_that_waits(40 * KIB);
    announce("double free or corruption (!prev)\nvmalloc: free(%p): this block of %zu bytes is already free; "
             "likely cause: freed twice\n",
             block, do_usable(block));
    do_free(block);
    do_free(block);
}

/* Any that takes other pages sends it back to the pool. */
static void case_double_free_middle_gone(void)
{
    block_of(40 * KIB);
    void *block = block_of(40 * KIB);
    block_of(40 * KIB);
    announce_gone("free", block);
    do_free(block);
    api_malloc_trim(0); /* nothing waits any more */
    do_free(block);
}

static void case_double_free_large(void)
{
    void *block = block_of(3 * MIB);
    announce_foreign("free", block, where_nothing);
    do_free(block);
    do_free(block);
}

static void case_double_free_aligned(void)
{
    void *kept[20], *block = NULL;
    for (size_t i = 0; i < 20; i++)
        kept[i] = api_memalign(512, 512);
    block = api_memalign(512, 512);
    REQUIRE(block != NULL && kept[0] != NULL);
    announce_double("free", block, do_usable(block));
    do_free(block);
    do_free(block);
}

static void case_double_free_in_child(void)
{
    keep_neighbours(200);
    void *block = block_of(200);
    announce_double("free", block, do_usable(block));
    do_free(block);
    pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        do_free(block);
        _exit(0);
    }
    int status = 0;
    REQUIRE(waitpid(child, &status, 0) == child);
    REQUIRE(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    signal(SIGABRT, SIG_DFL);
    raise(SIGABRT);
}

static void case_double_free_both_in_child(void)
{
    keep_neighbours(200);
    void *block = block_of(200);
    announce_double("free", block, do_usable(block));
    pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        do_free(block);
        do_free(block);
        _exit(0);
    }
    int status = 0;
    REQUIRE(waitpid(child, &status, 0) == child);
    REQUIRE(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    do_free(block); /* still live here */
    signal(SIGABRT, SIG_DFL);
    raise(SIGABRT);
}

/* free, realloc to 0, free_sized, cfree: the second is found out whatever the first was. */
static void case_double_free_after_realloc_zero(void)
{
    keep_neighbours(80);
    void *block = block_of(80);
    announce_double("free", block, do_usable(block));
    REQUIRE(do_realloc(block, 0) == NULL);
    do_free(block);
}

static void case_double_free_by_free_sized(void)
{
    keep_neighbours(80);
    void *block = block_of(80);
    void (*volatile second)(void *, size_t) = api_free_sized;
    announce_double("free", block, do_usable(block));
    announce_double("free_sized", block, do_usable(block));
    do_free(block);
    if (second != NULL)
        second(block, 80);
}

/* A block that realloc moved away from is free. */
static void case_double_free_old_place(void)
{
    keep_neighbours(80);
    void *block = block_of(80);
    size_t usable = do_usable(block);
    void *moved = do_realloc(block, 20000);
    REQUIRE(moved != NULL && moved != block);
    announce_double("free", block, usable);
    do_free(block);
}

/* ---- addresses inside blocks ---- */

static void inside(size_t size, size_t offset)
{
    block_of(size);
    char *block = block_of(size);
    block_of(size);
    announce_inside("free", block + offset, "live", block, do_usable(block));
    do_free(block + offset);
}

static void case_inside_64_by_16(void)
{
    inside(64, 16);
}

static void case_inside_1000_by_512(void)
{
    inside(1000, 512);
}

static void case_inside_20000_by_4096(void)
{
    inside(20000, 4096);
}

static void case_inside_middle(void)
{
    inside(40 * KIB, 20000 / 16 * 16);
}

static void case_inside_middle_page(void)
{
    inside(100 * KIB, 8192);
}

static void case_inside_large(void)
{
    inside(MIB, 500000 / 16 * 16);
}

static void case_inside_large_page(void)
{
    inside(5 * MIB, 2 * MIB);
}

static void case_inside_last_byte(void)
{
    char *block = block_of(100);
    size_t usable = do_usable(block);
    announce_inside("free", block + usable - 1, "live", block, usable);
    do_free(block + usable - 1);
}

static void case_misaligned_by_1(void)
{
    inside(100, 1);
}

static void case_misaligned_by_8(void)
{
    inside(100, 8);
}

static void case_misaligned_middle(void)
{
    inside(50000, 3);
}

static void case_misaligned_large(void)
{
    inside(2000000, 8);
}

static void case_inside_free_block(void)
{
    keep_neighbours(160);
    char *block = block_of(160);
    size_t usable = do_usable(block);
    announce_inside("free", block + 32, "free", block, usable);
    do_free(block);
    do_free(block + 32);
}

static void case_inside_from_thread(void)
{
    char *block = block_of(160);
    announce_inside("free", block + 16, "live", block, do_usable(block));
    free_in_thread(block + 16);
}

/* ---- addresses of nobody ---- */

static char static_variable[64] __attribute__((aligned(16)));

static void foreign(void *address, const char *where)
{
    block_of(100); /* the heap is there */
    announce_foreign("free", address, where);
    do_free(address);
}

static void case_static_variable(void)
{
    foreign(static_variable, where_program);
}

static void case_constant(void)
{
    static const char constant[16] __attribute__((aligned(16))) = "constant";
    void *address;
    memcpy(&address, &(const char *){constant}, sizeof address);
    foreign(address, where_program);
}

static void case_function(void)
{
    void *address = (void *)((uintptr_t)block_of & ~(uintptr_t)15);
    foreign(address, where_program);
}

static void case_first_call(void)
{
    announce_foreign("free", static_variable, where_program);
    do_free(static_variable);
}

__attribute__((noinline)) static void free_local(void)
{
    char local[64] __attribute__((aligned(16)));
    memset(local, 1, sizeof local);
    announce_foreign("free", local, where_stack);
    do_free(local);
}

static void case_stack(void)
{
    block_of(100);
    free_local();
}

static void *free_local_thread(void *argument)
{
    free_local();
    return argument;
}

static void case_stack_of_thread(void)
{
    block_of(100);
    pthread_t thread;
    REQUIRE(pthread_create(&thread, NULL, free_local_thread, NULL) == 0);
    pthread_join(thread, NULL);
}

static void case_stack_of_another_thread(void)
{
    char local[64] __attribute__((aligned(16)));
    memset(local, 1, sizeof local);
    block_of(100);
    announce_foreign("free", local, where_main_stack);
    free_in_thread(local);
}

static void case_wild_1(void)
{
    foreign((void *)1, where_nothing);
}

static void case_wild_16(void)
{
    foreign((void *)16, where_nothing);
}

static void case_wild_4096(void)
{
    foreign((void *)4096, where_nothing);
}

static void case_wild_pattern(void)
{
    foreign((void *)(uintptr_t)0x4141414141414141u, where_nothing);
}

static void case_wild_minus_1(void)
{
    foreign((void *)UINTPTR_MAX, where_nothing);
}

static void case_wild_minus_16(void)
{
    foreign((void *)(UINTPTR_MAX - 15), where_nothing);
}

static void case_wild_kernel(void)
{
    foreign((void *)(uintptr_t)(sizeof(void *) == 8 ? 0xffff800000000000u : 0xc0000000u), where_nothing);
}

static void case_wild_end_of_user_space(void)
{
    void *address = (void *)(uintptr_t)(sizeof(void *) == 8 ? 0x7ffffffff000u : 0xfffff000u);
    foreign(address, where_nothing);
}

/* A live block's address with bits beyond the address space set must not find that block. */
static void alias_of(size_t size, unsigned bit)
{
    if (sizeof(void *) == 4)
        SKIP("no bits beyond the address space");
    char *block = block_of(size);
    foreign((void *)((uintptr_t)block ^ (uintptr_t)((uint64_t)1 << bit)), where_nothing);
}

static void case_alias_bit_56_small(void)
{
    alias_of(100, 56);
}

static void case_alias_bit_63_small(void)
{
    alias_of(100, 63);
}

static void case_alias_bit_48_small(void)
{
    alias_of(100, 48);
}

static void case_alias_bit_47_small(void)
{
    alias_of(100, 47);
}

static void case_alias_bit_56_middle(void)
{
    alias_of(50000, 56);
}

static void case_alias_bit_56_large(void)
{
    alias_of(3000000, 56);
}

static void *own_mapping(void)
{
    void *mapping = mmap(NULL, MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    REQUIRE(mapping != MAP_FAILED);
    memset(mapping, 0x31, 4096);
    return mapping;
}

static void case_own_mapping(void)
{
    foreign(own_mapping(), where_other);
}

static void case_own_mapping_inside(void)
{
    foreign((char *)own_mapping() + 16, where_other);
}

/* A mapping put right after a large block and right before it: neither belongs to the block. */
static void case_mapping_beside_large(void)
{
    char *block = block_of(3 * MIB);
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    uintptr_t end = ((uintptr_t)block + do_usable(block) + page - 1) & ~(page - 1);
    void *mapping = mmap((void *)end, page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    REQUIRE(mapping != MAP_FAILED);
    foreign(mapping, where_other);
}

static void case_own_break_area(void)
{
    block_of(100);
    char *area = sbrk(65536);
    if (area == (void *)-1)
        SKIP("sbrk does not move the break here");
    memset(area, 0x32, 65536);
    foreign((void *)(((uintptr_t)area + 4111) & ~(uintptr_t)15), where_break);
}

#if !defined(USE_VM_NAMES) && !defined(API_STATIC_LINK)
static void *(*libc_malloc)(size_t);

/* libc's own malloc, got from behind the allocator's back. */
static void find_libc_malloc(void)
{
    void *handle = dlopen("libc.so.6", RTLD_NOW | RTLD_NOLOAD);
    void *found = handle == NULL ? NULL : dlsym(handle, "malloc");
    if (found == NULL)
        SKIP("no libc.so.6");
    memcpy(&libc_malloc, &found, sizeof found);
}

static void *libc_block_in_thread(void *size)
{
    return libc_malloc((size_t)(uintptr_t)size);
}

static void case_block_of_libc(void)
{
    find_libc_malloc();
    foreign(libc_malloc(100), where_libc);
}

/* A thread's block lies in an arena of its own. */
static void case_block_of_libc_arena(void)
{
    find_libc_malloc();
    pthread_t thread;
    void *block = NULL;
    REQUIRE(pthread_create(&thread, NULL, libc_block_in_thread, (void *)5000) == 0);
    pthread_join(thread, &block);
    foreign(block, where_libc);
}

static void case_block_of_libc_mapped(void)
{
    find_libc_malloc();
    foreign(libc_malloc(3 * MIB), where_libc);
}
#endif

static void case_argument(void)
{
    if (environ[0] == NULL)
        SKIP("an empty environment");
    foreign(environ[0], where_arguments);
}

/* Pages that are free now: a middle block's that was freed. */
static void case_free_pages(void)
{
    char *blocks[4];
    for (size_t i = 0; i < 4; i++)
        blocks[i] = block_of(100 * KIB);
    announce_gone("free", blocks[2] + 8192);
    do_free(blocks[2]);
    api_malloc_trim(0); /* nothing waits any more */
    do_free(blocks[2] + 8192);
}

static void case_inside_free_middle(void)
{
    char *block = block_that_waits(100 * KIB);
    announce(
        "free(): invalid pointer\nvmalloc: free(%p): points 8192 bytes into a free block of %zu bytes at %p; "
        "likely cause: an offset into a block that was freed\n",
        (void *)(block + 8192), do_usable(block), (void *)block);
    do_free(block);
    do_free(block + 8192);
}

/* The message stays in memory for who looks at the core. */
#if !defined(API_STATIC_LINK)
static void show_kept(int number)
{
    (void)number;
    const char *kept = dlsym(RTLD_DEFAULT, "vm_abort_message");
    REQUIRE(kept != NULL);
    expect_say("%s", kept);
    _exit(99);
}

static void case_message_kept(void)
{
    keep_neighbours(100);
    void *block = block_of(100);
    size_t usable = do_usable(block);
    const char *line = "free(): double free detected in tcache 2\nvmalloc: free(%p): this block of %zu bytes "
                       "is already free; likely cause: freed twice\n";
    char text[400];
    snprintf(text, sizeof text, line, block, usable);
    announce("%s%s", text, text);
    signal(SIGABRT, show_kept);
    do_free(block);
    do_free(block);
}
#endif

/* ---- addresses of slab pages that were never a block ---- */

enum { N_FIRST = 3000 };

static int order_pointers(const void *a, const void *b)
{
    char *left, *right;
    memcpy(&left, a, sizeof left);
    memcpy(&right, b, sizeof right);
    return left < right ? -1 : left > right;
}

/* Sorted addresses of many blocks of one size. */
static char **sorted_blocks(size_t size)
{
    static char *blocks[N_FIRST];
    for (size_t i = 0; i < N_FIRST; i++)
        blocks[i] = block_of(size);
    qsort(blocks, N_FIRST, sizeof blocks[0], order_pointers);
    return blocks;
}

static void case_before_first_block(void)
{
    char **blocks = sorted_blocks(48);
    announce_any_invalid("free", blocks[0] - 16);
    announce("free(): double free detected in tcache 2\nvmalloc: free(%p): *", (void *)(blocks[0] - 16));
    do_free(blocks[0] - 16);
}

/* The next block of a slab, before it was ever handed out, counts as free. */
static void case_never_allocated(void)
{
    char *highest = NULL;
    size_t usable = 0;
    for (size_t i = 0; i < 3; i++) { /* of the 5 that even the smallest slab has room for */
        char *block = block_of(3000);
        usable = do_usable(block);
        if (block > highest)
            highest = block;
    }
    announce_double("free", highest + usable, usable);
    announce_any_invalid("free", highest + usable);
    do_free(highest + usable);
}

/* ---- realloc and malloc_usable_size ---- */

static void case_realloc_free_block(void)
{
    keep_neighbours(100);
    void *block = block_of(100);
    announce_double("realloc", block, do_usable(block));
    do_free(block);
    do_realloc(block, 200);
}

static void case_realloc_free_block_same_size(void)
{
    keep_neighbours(100);
    void *block = block_of(100);
    announce_double("realloc", block, do_usable(block));
    do_free(block);
    do_realloc(block, 100);
}

static void case_realloc_free_block_to_zero(void)
{
    keep_neighbours(100);
    void *block = block_of(100);
    size_t usable = do_usable(block);
    announce_double("realloc", block, usable);
    announce_double("free", block, usable);
    do_free(block);
    do_realloc(block, 0);
}

static void case_realloc_inside(void)
{
    char *block = block_of(1000);
    announce_inside("realloc", block + 48, "live", block, do_usable(block));
    do_realloc(block + 48, 2000);
}

static void case_realloc_inside_middle(void)
{
    char *block = block_of(50000);
    announce_inside("realloc", block + 4096, "live", block, do_usable(block));
    do_realloc(block + 4096, 2000);
}

static void case_realloc_inside_large(void)
{
    char *block = block_of(3000000);
    announce_inside("realloc", block + 4096, "live", block, do_usable(block));
    do_realloc(block + 4096, 5000000);
}

static void case_realloc_misaligned(void)
{
    char *block = block_of(1000);
    announce_inside("realloc", block + 8, "live", block, do_usable(block));
    do_realloc(block + 8, 2000);
}

static void case_realloc_static(void)
{
    announce_foreign("realloc", static_variable, where_program);
    do_realloc(static_variable, 100);
}

static void case_realloc_stack(void)
{
    char local[64] __attribute__((aligned(16)));
    memset(local, 1, sizeof local);
    announce_foreign("realloc", local, where_stack);
    do_realloc(local, 100);
}

static void case_realloc_wild(void)
{
    void *wild = (void *)(uintptr_t)0x4141414141414140u;
    announce_foreign("realloc", wild, where_nothing);
    do_realloc(wild, 100);
}

static void case_realloc_mapping(void)
{
    void *mapping = own_mapping();
    announce_foreign("realloc", mapping, where_other);
    do_realloc(mapping, 100);
}

static void case_realloc_freed_middle(void)
{
    block_of(40 * KIB);
    void *block = block_of(40 * KIB);
    block_of(40 * KIB);
    announce_gone("realloc", block);
    do_free(block);
    api_malloc_trim(0); /* nothing waits any more */
    do_realloc(block, 100);
}

static void case_realloc_freed_large(void)
{
    void *block = block_of(4 * MIB);
    announce_foreign("realloc", block, where_nothing);
    do_free(block);
    do_realloc(block, 100);
}

static void case_usable_static(void)
{
    announce_foreign("malloc_usable_size", static_variable, where_program);
    do_usable(static_variable);
}

static void case_usable_wild(void)
{
    announce_foreign("malloc_usable_size", (void *)8, where_nothing);
    do_usable((void *)8);
}

static void case_usable_stack(void)
{
    char local[64] __attribute__((aligned(16)));
    memset(local, 1, sizeof local);
    announce_foreign("malloc_usable_size", local, where_stack);
    do_usable(local);
}

static void case_usable_inside(void)
{
    char *block = block_of(100);
    announce_inside("malloc_usable_size", block + 16, "live", block, do_usable(block));
    do_usable(block + 16);
}

static void case_usable_mapping(void)
{
    void *mapping = own_mapping();
    announce_foreign("malloc_usable_size", mapping, where_other);
    do_usable(mapping);
}

/* ---- writes where nothing may be written: the allocator itself must not suffer ---- */

static void case_write_after_free(void)
{
    enum { COUNT = 3000 };
    static void *blocks[COUNT], *others[COUNT];
    static const size_t kinds[] = {16, 24, 64, 100, 1000, 5000, 30000};
    for (size_t k = 0; k < sizeof kinds / sizeof kinds[0]; k++) {
        size_t size = kinds[k], count = size > 1000 ? 200 : COUNT;
        for (size_t i = 0; i < count; i++)
            blocks[i] = block_of(size);
        for (size_t i = 0; i < count; i += 2) {
            do_free(blocks[i]);
            if (i % 6 == 0 && i > 0)
                memset(blocks[i], 0xFF, size); /* at once */
        }
        for (size_t i = 0; i < count; i++)
            if (i % 2 == 1)
                stamp_fill(blocks[i], size, i);
        /* 0xFF, 0x41 and pointers to nowhere where free lists have their links */
        for (size_t i = 0; i < count; i += 2)
            memset(blocks[i], i % 4 == 0 ? 0xFF : 0x41, size < 64 ? size : 64);
        for (size_t i = 0; i < count; i++) {
            others[i] = do_malloc(size);
            REQUIRE(others[i] != NULL);
            stamp_fill(others[i], size, i + 1000000);
        }
        for (size_t i = 0; i < count; i++) {
            EXPECT_STAMP(others[i], size, i + 1000000);
            if (i % 2 == 1) {
                EXPECT_STAMP(blocks[i], size, i);
                do_free(blocks[i]);
            }
            do_free(others[i]);
        }
    }
    api_mallinfo2_struct info = api_mallinfo2();
    EXPECT_EQ(info.arena, info.uordblks + info.fordblks);
}

/* One thread writes to blocks it gave to another that freed them. */
static void case_write_after_remote_free(void)
{
    enum { COUNT = 500 };
    static void *blocks[COUNT];
    for (size_t i = 0; i < COUNT; i++)
        blocks[i] = block_of(200);
    for (size_t i = 0; i < COUNT; i += 50) {
        for (size_t k = 0; k < 50; k += 10)
            free_in_thread(blocks[i + k]);
    }
    for (size_t i = 0; i < COUNT; i += 10)
        memset(blocks[i], 0xEE, 200);
    for (size_t i = 0; i < COUNT; i++)
        if (i % 10 != 0)
            stamp_fill(blocks[i], 200, i);
    for (size_t i = 0; i < COUNT; i += 10) {
        blocks[i] = do_malloc(200);
        REQUIRE(blocks[i] != NULL);
        stamp_fill(blocks[i], 200, i);
    }
    for (size_t i = 0; i < COUNT; i++) {
        EXPECT_STAMP(blocks[i], 200, i);
        do_free(blocks[i]);
    }
}

/* ---- how the process ends ---- */

static void use_heap(void)
{
    enum { COUNT = 300 };
    void *blocks[COUNT];
    struct rng rng = {.state = 11};
    for (size_t i = 0; i < COUNT; i++) {
        size_t size = i % 50 == 0 ? 2 * MIB : rng_size(&rng);
        blocks[i] = do_malloc(size);
        REQUIRE(blocks[i] != NULL);
        memset(blocks[i], 1, size);
    }
    for (size_t i = 0; i < COUNT; i++)
        do_free(blocks[i]);
}

static void abort_handler(int number)
{
    (void)number;
    use_heap();
    static const char text[] = "the handler used the heap\n";
    ssize_t written = write(2, text, sizeof text - 1);
    (void)written;
    _exit(expect_result() == 0 ? 99 : 1);
}

static const char handler_line[] = "the handler used the heap\n";

static void announce_double_then_handler(const void *block, size_t usable)
{
    announce(
        "free(): double free detected in tcache 2\nvmalloc: free(%p): this block of %zu bytes is already "
        "free; likely cause: freed twice\n%s",
        block, usable, handler_line);
}

static void announce_foreign_then_handler(const void *block, const char *where)
{
    announce("free(): invalid pointer\nvmalloc: free(%p): not a block of this allocator: %s\n%s", block,
             where, handler_line);
}

static void case_handler_uses_heap_double(void)
{
    signal(SIGABRT, abort_handler);
    keep_neighbours(100);
    void *block = block_of(100);
    announce_double_then_handler(block, do_usable(block));
    do_free(block);
    do_free(block);
}

static void case_handler_uses_heap_remote(void)
{
    signal(SIGABRT, abort_handler);
    keep_neighbours(100);
    void *block = block_of(100);
    announce_double_then_handler(block, do_usable(block));
    do_free(block);
    free_in_thread(block);
}

static void case_handler_uses_heap_owner_dead(void)
{
    signal(SIGABRT, abort_handler);
    pthread_t thread;
    void *block = NULL;
    REQUIRE(pthread_create(&thread, NULL, allocating_thread, NULL) == 0);
    pthread_join(thread, &block);
    announce_double_then_handler(block, do_usable(block));
    do_free(block);
    do_free(block);
}

static void case_handler_uses_heap_foreign(void)
{
    signal(SIGABRT, abort_handler);
    announce_foreign_then_handler(static_variable, where_program);
    do_free(static_variable);
}

static void case_handler_uses_heap_large(void)
{
    signal(SIGABRT, abort_handler);
    void *block = block_of(3 * MIB);
    announce_foreign_then_handler(block, where_nothing);
    do_free(block);
    do_free(block);
}

static sigjmp_buf back;

static void jumping_handler(int number)
{
    siglongjmp(back, number);
}

/* A handler that jumps out keeps the process alive; ten misuses in a row leave the heap usable. */
static void case_handler_jumps(void)
{
    signal(SIGABRT, jumping_handler);
    keep_neighbours(100);
    static volatile int round;
    static void *volatile blocks[10];
    for (round = 0; round < 10; round++)
        blocks[round] = block_of(100);
    size_t usable = do_usable(blocks[0]);
    char text[2000];
    size_t length = 0;
    for (round = 0; round < 10; round++)
        length +=
            (size_t)snprintf(text + length, sizeof text - length,
                             "free(): double free detected in tcache 2\nvmalloc: free(%p): this block of "
                             "%zu bytes is already free; likely cause: freed twice\n",
                             blocks[round], usable);
    announce("%s%s", text, handler_line);
    for (round = 0; round < 10; round++) {
        if (sigsetjmp(back, 1) == 0) {
            do_free(blocks[round]);
            do_free(blocks[round]);
            expect_say("the second free came back\n");
        }
    }
    signal(SIGABRT, SIG_DFL);
    abort_handler(SIGABRT);
}

/* Without stderr the process still ends by SIGABRT. */
static void case_stderr_closed(void)
{
    keep_neighbours(100);
    void *block = block_of(100);
    announce("%s", "*");
    close(2);
    do_free(block);
    do_free(block);
}

/* With stderr a pipe that is full and must not block, too. */
static void case_stderr_full(void)
{
    keep_neighbours(100);
    void *block = block_of(100);
    int ends[2];
    REQUIRE(pipe2(ends, O_NONBLOCK) == 0);
    char fill[4096];
    memset(fill, 'x', sizeof fill);
    while (write(ends[1], fill, sizeof fill) > 0)
        continue;
    announce("%s", "*");
    REQUIRE(dup2(ends[1], 2) == 2);
    do_free(block);
    do_free(block);
}

/* SIGABRT blocked and ignored: abort overrules both. */
static void case_signal_ignored(void)
{
    keep_neighbours(100);
    void *block = block_of(100);
    signal(SIGABRT, SIG_IGN);
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGABRT);
    sigprocmask(SIG_BLOCK, &set, NULL);
    announce_double("free", block, do_usable(block));
    do_free(block);
    do_free(block);
}

/* Not a misuse: blocks of all kinds freed once, in another order, from another thread. */
static void case_no_misuse(void)
{
    use_heap();
    for (size_t size = 1; size < 5000000; size = size * 2 + 3) {
        void *block = block_of(size);
        free_in_thread(block);
    }
}

/* ---- all cases ---- */

enum ending { BY_ABORT, WELL, BY_HANDLER };

static const struct misuse_case {
    const char *name;
    void (*run)(void);
    enum ending ending;
} cases[] = {
    {"no-misuse", case_no_misuse, WELL},
    {"double-free-0", case_double_free_0, BY_ABORT},
    {"double-free-24", case_double_free_24, BY_ABORT},
    {"double-free-100", case_double_free_100, BY_ABORT},
    {"double-free-1024", case_double_free_1024, BY_ABORT},
    {"double-free-5000", case_double_free_5000, BY_ABORT},
    {"double-free-32768", case_double_free_32768, BY_ABORT},
    {"double-free-other-between", case_double_free_other_between, BY_ABORT},
    {"double-free-long-after", case_double_free_long_after, BY_ABORT},
    {"double-free-after-other-sizes", case_double_free_after_other_sizes, BY_ABORT},
    {"double-free-slab-gone", case_double_free_slab_gone, BY_ABORT},
    {"double-free-thread-then-main", case_double_free_thread_then_main, BY_ABORT},
    {"double-free-main-then-thread", case_double_free_main_then_thread, BY_ABORT},
    {"double-free-two-threads", case_double_free_two_threads, BY_ABORT},
    {"double-free-twice-in-other-thread", case_double_free_twice_in_other_thread, BY_ABORT},
    {"double-free-owner-dead", case_double_free_owner_dead, BY_ABORT},
    {"double-free-middle", case_double_free_middle, BY_ABORT},
    {"double-free-middle-gone", case_double_free_middle_gone, BY_ABORT},
    {"double-free-large", case_double_free_large, BY_ABORT},
    {"double-free-aligned", case_double_free_aligned, BY_ABORT},
    {"double-free-in-child", case_double_free_in_child, BY_ABORT},
    {"double-free-both-in-child", case_double_free_both_in_child, BY_ABORT},
    {"double-free-after-realloc-zero", case_double_free_after_realloc_zero, BY_ABORT},
    {"double-free-by-free-sized", case_double_free_by_free_sized, BY_ABORT},
    {"double-free-old-place", case_double_free_old_place, BY_ABORT},
    {"inside-64-by-16", case_inside_64_by_16, BY_ABORT},
    {"inside-1000-by-512", case_inside_1000_by_512, BY_ABORT},
    {"inside-20000-by-4096", case_inside_20000_by_4096, BY_ABORT},
    {"inside-middle", case_inside_middle, BY_ABORT},
    {"inside-middle-page", case_inside_middle_page, BY_ABORT},
    {"inside-large", case_inside_large, BY_ABORT},
    {"inside-large-page", case_inside_large_page, BY_ABORT},
    {"inside-last-byte", case_inside_last_byte, BY_ABORT},
    {"inside-free-block", case_inside_free_block, BY_ABORT},
    {"inside-from-thread", case_inside_from_thread, BY_ABORT},
    {"misaligned-by-1", case_misaligned_by_1, BY_ABORT},
    {"misaligned-by-8", case_misaligned_by_8, BY_ABORT},
    {"misaligned-middle", case_misaligned_middle, BY_ABORT},
    {"misaligned-large", case_misaligned_large, BY_ABORT},
    {"static-variable", case_static_variable, BY_ABORT},
    {"constant", case_constant, BY_ABORT},
    {"function", case_function, BY_ABORT},
    {"first-call", case_first_call, BY_ABORT},
    {"stack", case_stack, BY_ABORT},
    {"stack-of-thread", case_stack_of_thread, BY_ABORT},
    {"stack-of-another-thread", case_stack_of_another_thread, BY_ABORT},
    {"wild-1", case_wild_1, BY_ABORT},
    {"wild-16", case_wild_16, BY_ABORT},
    {"wild-4096", case_wild_4096, BY_ABORT},
    {"wild-pattern", case_wild_pattern, BY_ABORT},
    {"wild-minus-1", case_wild_minus_1, BY_ABORT},
    {"wild-minus-16", case_wild_minus_16, BY_ABORT},
    {"wild-kernel", case_wild_kernel, BY_ABORT},
    {"wild-end-of-user-space", case_wild_end_of_user_space, BY_ABORT},
    {"alias-bit-47-small", case_alias_bit_47_small, BY_ABORT},
    {"alias-bit-48-small", case_alias_bit_48_small, BY_ABORT},
    {"alias-bit-56-small", case_alias_bit_56_small, BY_ABORT},
    {"alias-bit-63-small", case_alias_bit_63_small, BY_ABORT},
    {"alias-bit-56-middle", case_alias_bit_56_middle, BY_ABORT},
    {"alias-bit-56-large", case_alias_bit_56_large, BY_ABORT},
    {"own-mapping", case_own_mapping, BY_ABORT},
    {"own-mapping-inside", case_own_mapping_inside, BY_ABORT},
    {"mapping-beside-large", case_mapping_beside_large, BY_ABORT},
    {"own-break-area", case_own_break_area, BY_ABORT},
#if !defined(USE_VM_NAMES) && !defined(API_STATIC_LINK)
    {"block-of-libc", case_block_of_libc, BY_ABORT},
    {"block-of-libc-arena", case_block_of_libc_arena, BY_ABORT},
    {"block-of-libc-mapped", case_block_of_libc_mapped, BY_ABORT},
#endif
    {"argument", case_argument, BY_ABORT},
    {"free-pages", case_free_pages, BY_ABORT},
    {"inside-free-middle", case_inside_free_middle, BY_ABORT},
#if !defined(API_STATIC_LINK)
    {"message-kept", case_message_kept, BY_HANDLER},
#endif
    {"before-first-block", case_before_first_block, BY_ABORT},
    {"never-allocated", case_never_allocated, BY_ABORT},
    {"realloc-free-block", case_realloc_free_block, BY_ABORT},
    {"realloc-free-block-same-size", case_realloc_free_block_same_size, BY_ABORT},
    {"realloc-free-block-to-zero", case_realloc_free_block_to_zero, BY_ABORT},
    {"realloc-inside", case_realloc_inside, BY_ABORT},
    {"realloc-inside-middle", case_realloc_inside_middle, BY_ABORT},
    {"realloc-inside-large", case_realloc_inside_large, BY_ABORT},
    {"realloc-misaligned", case_realloc_misaligned, BY_ABORT},
    {"realloc-static", case_realloc_static, BY_ABORT},
    {"realloc-stack", case_realloc_stack, BY_ABORT},
    {"realloc-wild", case_realloc_wild, BY_ABORT},
    {"realloc-mapping", case_realloc_mapping, BY_ABORT},
    {"realloc-freed-middle", case_realloc_freed_middle, BY_ABORT},
    {"realloc-freed-large", case_realloc_freed_large, BY_ABORT},
    {"usable-static", case_usable_static, BY_ABORT},
    {"usable-wild", case_usable_wild, BY_ABORT},
    {"usable-stack", case_usable_stack, BY_ABORT},
    {"usable-inside", case_usable_inside, BY_ABORT},
    {"usable-mapping", case_usable_mapping, BY_ABORT},
    {"write-after-free", case_write_after_free, WELL},
    {"write-after-remote-free", case_write_after_remote_free, WELL},
    {"handler-uses-heap-double", case_handler_uses_heap_double, BY_HANDLER},
    {"handler-uses-heap-remote", case_handler_uses_heap_remote, BY_HANDLER},
    {"handler-uses-heap-owner-dead", case_handler_uses_heap_owner_dead, BY_HANDLER},
    {"handler-uses-heap-foreign", case_handler_uses_heap_foreign, BY_HANDLER},
    {"handler-uses-heap-large", case_handler_uses_heap_large, BY_HANDLER},
    {"handler-jumps", case_handler_jumps, BY_HANDLER},
    {"stderr-closed", case_stderr_closed, BY_ABORT},
    {"stderr-full", case_stderr_full, BY_ABORT},
    {"signal-ignored", case_signal_ignored, BY_ABORT},
};
enum { N_CASES = sizeof cases / sizeof cases[0] };

/* ---- the runner ---- */

/* Reads both pipes to their ends into the two texts. */
static void read_both(int fds[2], char texts[2][TEXT_MAX], size_t lengths[2])
{
    struct pollfd polled[2] = {{.fd = fds[0], .events = POLLIN}, {.fd = fds[1], .events = POLLIN}};
    lengths[0] = lengths[1] = 0;
    while (polled[0].fd >= 0 || polled[1].fd >= 0) {
        REQUIRE(poll(polled, 2, -1) >= 0);
        for (int i = 0; i < 2; i++) {
            if (polled[i].fd < 0 || polled[i].revents == 0)
                continue;
            ssize_t got = read(polled[i].fd, texts[i] + lengths[i], TEXT_MAX - 1 - lengths[i]);
            if (got <= 0)
                polled[i].fd = -1;
            else
                lengths[i] += (size_t)got;
        }
    }
    for (int i = 0; i < 2; i++) {
        texts[i][lengths[i]] = '\0';
        close(fds[i]);
    }
}

/* Whether the text is the wanted one; '*' as its last character stands for any rest of one line. */
static bool matches(const char *text, const char *wanted)
{
    size_t length = strlen(wanted);
    if (length == 0 || wanted[length - 1] != '*')
        return strcmp(text, wanted) == 0;
    if (strncmp(text, wanted, length - 1) != 0)
        return false;
    const char *rest = strchr(text + length - 1, '\n');
    return rest == NULL ? text[length - 1] == '\0' : rest[1] == '\0';
}

static void print_commented(const char *head, const char *text)
{
    printf("# %s\n", head);
    for (const char *line = text; *line != '\0';) {
        size_t length = strcspn(line, "\n");
        printf("#   | %.*s\n", (int)length, line);
        line += length + (line[length] == '\n');
    }
}

/* Runs one case; 1 if it passed. */
static bool run_case(size_t number, const struct misuse_case *test)
{
    int announced[2], printed[2];
    REQUIRE(pipe2(announced, O_CLOEXEC) == 0 && pipe2(printed, O_CLOEXEC) == 0);
    fflush(stdout);
    pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        int from_announce = fcntl(announced[1], F_DUPFD, 20), from_print = fcntl(printed[1], F_DUPFD, 20);
        if (dup2(from_announce, ANNOUNCE_FD) < 0 || dup2(from_print, 2) < 0)
            _exit(3);
        close(from_announce);
        close(from_print);
        char name[64];
        snprintf(name, sizeof name, "%s", test->name);
        char program[] = "misuse";
        char *arguments[] = {program, name, NULL};
        execve("/proc/self/exe", arguments, environ);
        _exit(3);
    }
    close(announced[1]);
    close(printed[1]);
    static char texts[2][TEXT_MAX];
    size_t lengths[2];
    read_both((int[2]){announced[0], printed[0]}, texts, lengths);
    int status = 0;
    REQUIRE(waitpid(child, &status, 0) == child);
    if (WIFEXITED(status) && WEXITSTATUS(status) == EXPECT_SKIPPED) {
        printf("ok %zu - %s # SKIP %s", number, test->name, texts[1]);
        return true;
    }
    bool ended = test->ending == BY_ABORT ? WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT
                 : test->ending == WELL   ? WIFEXITED(status) && WEXITSTATUS(status) == 0
                                          : WIFEXITED(status) && WEXITSTATUS(status) == 99;
    bool said = lengths[0] == 0 && lengths[1] == 0;
    for (size_t at = 0; at < lengths[0]; at += strlen(texts[0] + at) + 1)
        said = said || matches(texts[1], texts[0] + at);
    printf("%sok %zu - %s\n", ended && said ? "" : "not ", number, test->name);
    if (!ended)
        printf("# wait status 0x%x, expected %s\n", (unsigned)status,
               test->ending == BY_ABORT ? "SIGABRT"
               : test->ending == WELL   ? "exit 0"
                                        : "exit 99 in the handler");
    if (!said) {
        print_commented("stderr is:", texts[1]);
        for (size_t at = 0; at < lengths[0]; at += strlen(texts[0] + at) + 1)
            print_commented(at == 0 ? "expected:" : "or:", texts[0] + at);
        if (lengths[0] == 0)
            print_commented("expected nothing", "");
    }
    return ended && said;
}

int main(int argc, char **argv)
{
    static const struct rlimit no_core = {0, 0};
    setrlimit(RLIMIT_CORE, &no_core);
    if (argc > 1) {
        alarm(20);
        for (size_t i = 0; i < N_CASES; i++) {
            if (strcmp(argv[1], cases[i].name) == 0) {
                if (strcmp(argv[1], "first-call") != 0)
                    api_assert_served();
                cases[i].run();
                return expect_result();
            }
        }
        expect_say("no case %s\n", argv[1]);
        return 2;
    }
    size_t n_failed = 0;
    forget_settings(); /* the texts tell where a block of the default settings is */
    printf("1..%d\n", (int)N_CASES);
    for (size_t i = 0; i < N_CASES; i++)
        n_failed += !run_case(i + 1, &cases[i]);
    printf("# %zu of %d cases failed\n", n_failed, (int)N_CASES);
    return n_failed == 0 ? 0 : 1;
}
