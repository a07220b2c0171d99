/* SPDX-License-Identifier: MIT */
/*
 * tls-module.c - a module with thread-local storage, to be loaded by dlopen. With -DSTATIC_TLS it takes its
 * 200 bytes from the small reserve of static TLS; without, it has 5000 bytes of dynamic TLS, and allocates in
 * its constructor.
 */
#include <stdlib.h>
#include <string.h>

#ifdef STATIC_TLS

__attribute__((tls_model("initial-exec"))) __thread char module_storage[200];

#else

__thread char module_storage[5000];
static void *from_constructor;

__attribute__((constructor)) static void start(void)
{
    from_constructor = malloc(1000);
    if (from_constructor == NULL)
        abort();
    memset(from_constructor, 1, 1000);
}

__attribute__((destructor)) static void end(void)
{
    free(from_constructor);
}

#endif

__attribute__((visibility("default"))) int module_touch(int value)
{
    memset(module_storage, value, sizeof module_storage);
    return module_storage[sizeof module_storage - 1];
}
