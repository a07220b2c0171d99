/* SPDX-License-Identifier: MIT */
/*
 * late-load.c - late-load LIBRARY MODULE...: loads libvmalloc.so by dlopen into a process that has another
 * malloc, after the modules took nearly all of the reserve of static TLS; uses it by its vm_ names from
 * several threads; and closes it: it stays, and its blocks with it.
 */
#include <dlfcn.h>
#include <pthread.h>
#include <sys/wait.h>

#include "tools.h"

static void *(*vm_malloc_found)(size_t);
static void (*vm_free_found)(void *);

static void *work(void *argument)
{
    struct rng rng = {.state = (uintptr_t)argument};
    void *blocks[300];
    for (size_t i = 0; i < 300; i++) {
        blocks[i] = vm_malloc_found(i);
        REQUIRE(blocks[i] != NULL);
        stamp_fill(blocks[i], i, rng.state);
    }
    for (size_t i = 0; i < 300; i++) {
        EXPECT_STAMP(blocks[i], i, rng.state);
        vm_free_found(blocks[i]);
    }
    return NULL;
}

/* How many of the modules can be loaded one after another: found out in a child. */
static size_t count_loadable(int n_modules, char **modules)
{
    int ends[2];
    REQUIRE(pipe(ends) == 0);
    pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        unsigned char n_loaded = 0;
        while (n_loaded < n_modules && dlopen(modules[n_loaded], RTLD_NOW | RTLD_LOCAL) != NULL)
            n_loaded++;
        _exit(write(ends[1], &n_loaded, 1) == 1 ? 0 : 1);
    }
    unsigned char n_loaded = 0;
    REQUIRE(read(ends[0], &n_loaded, 1) == 1);
    waitpid(child, NULL, 0);
    return n_loaded;
}

/* The process's malloc is the C library's: the break is that one's alone, as nothing orders the two. */
static void expect_break_alone(void)
{
    static void *blocks[4000];
    const void *const before = sbrk(0);
    for (size_t i = 0; i < 4000; i++)
        REQUIRE((blocks[i] = vm_malloc_found(1000)) != NULL);
    EXPECT_SAME(sbrk(0), before);
    for (size_t i = 0; i < 4000; i++)
        vm_free_found(blocks[i]);
    EXPECT_SAME(sbrk(0), before);
}

int main(int argc, char **argv)
{
    REQUIRE(argc >= 3);
    watchdog_start(60);
    REQUIRE(dlsym(RTLD_DEFAULT, "vm_malloc") == NULL);
    size_t n_loadable = count_loadable(argc - 2, argv + 2);
    expect_figure("late-load: %zu modules use up the static TLS\n", n_loadable);
    REQUIRE(n_loadable >= 2 && n_loadable < (size_t)argc - 2);
    for (size_t i = 0; i + 1 < n_loadable; i++)
        REQUIRE(dlopen(argv[2 + i], RTLD_NOW | RTLD_LOCAL) != NULL);
    void *handle = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL);
    if (handle == NULL) {
        expect_say("%s:%d: %s\n", __FILE__, __LINE__, dlerror());
        return 1;
    }
    void *found = dlsym(handle, "vm_malloc");
    REQUIRE(found != NULL);
    memcpy(&vm_malloc_found, &found, sizeof found);
    found = dlsym(handle, "vm_free");
    REQUIRE(found != NULL);
    memcpy(&vm_free_found, &found, sizeof found);
    void *kept = vm_malloc_found(1000);
    REQUIRE(kept != NULL);
    stamp_fill(kept, 1000, 9);
    expect_break_alone();
    work(NULL);
    for (uintptr_t round = 0; round < 50; round++) {
        pthread_t thread;
        REQUIRE(pthread_create(&thread, NULL, work, (void *)round) == 0);
        pthread_join(thread, NULL);
        dlclose(handle); /* ignored: the library is never unloaded */
        work(NULL);
        handle = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL);
        REQUIRE(handle != NULL);
        EXPECT_SAME(dlsym(handle, "vm_free"), found);
    }
    dlclose(handle);
    EXPECT_STAMP(kept, 1000, 9);
    vm_free_found(kept);
    return expect_result();
}
