/* SPDX-License-Identifier: MIT */
/*
 * plugin-host.c - a C program, without a C++ library of its own, on libvmalloc_cxx. Prints TAP.
 *
 *   plugin-host PLUGIN     opens the plug-in locally and has it run out of memory: it must catch bad_alloc
 *   plugin-host --alone    no C++ library anywhere: nothrow new gives NULL, and new ends the process with a message
 */
#include <dlfcn.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#ifdef __LP64__
#define NEW "_Znwm"
#define NEW_NOTHROW "_ZnwmRKSt9nothrow_t"
#else
#define NEW "_Znwj"
#define NEW_NOTHROW "_ZnwjRKSt9nothrow_t"
#endif

static const char wanted[] =
    "vmalloc: operator new: out of memory, and no C++ library to throw std::bad_alloc\n";

static int failures;
static int cases;

static void check(int passed, const char *name)
{
    printf("%s %d - %s\n", passed ? "ok" : "not ok", ++cases, name);
    failures += !passed;
}

static void *symbol(void *scope, const char *name)
{
    void *address = dlsym(scope, name);
    if (address == NULL) {
        printf("Bail out! %s is not there: %s\n", name, dlerror());
        _exit(1);
    }
    return address;
}

static void with_plugin(const char *path)
{
    check(dlsym(RTLD_DEFAULT, "__cxa_throw") == NULL, "this program has no C++ library");
    void *plugin = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (plugin == NULL) {
        printf("Bail out! %s\n", dlerror());
        _exit(1);
    }
    union {
        void *address;
        int (*call)(void);
    } survives = {.address = symbol(plugin, "plugin_survives")};
    check(survives.call() == 1, "the plug-in catches bad_alloc, and gets NULL from nothrow new");
}

static void alone(void)
{
    union {
        void *address;
        void *(*plain)(size_t size);
        void *(*nothrow)(size_t size, const void *tag);
    } form;
    const size_t too_much = (size_t)PTRDIFF_MAX - 4096;

    form.address = symbol(RTLD_DEFAULT, NEW_NOTHROW);
    check(form.nothrow(too_much, &form) == NULL, "nothrow new gives NULL without a C++ library");

    form.address = symbol(RTLD_DEFAULT, NEW);
    int ends[2];
    if (pipe(ends) != 0) {
        printf("Bail out! pipe failed\n");
        _exit(1);
    }
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        dup2(ends[1], STDERR_FILENO);
        form.plain(too_much);
        _exit(0);
    }
    close(ends[1]);
    char text[sizeof wanted + 1] = "";
    size_t used = 0;
    ssize_t got;
    while (used < sizeof text - 1 && (got = read(ends[0], text + used, sizeof text - 1 - used)) > 0) {
        used += (size_t)got;
    }
    int status = 0;
    waitpid(child, &status, 0);
    check(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT, "new without a C++ library aborts");
    check(strcmp(text, wanted) == 0, "... with its message");
}

int main(int count, char **words)
{
    if (count > 1 && strcmp(words[1], "--alone") != 0) {
        with_plugin(words[1]);
    } else {
        alone();
    }
    printf("1..%d\n", cases);
    return failures == 0 ? 0 : 1;
}
