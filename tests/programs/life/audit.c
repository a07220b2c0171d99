/* SPDX-License-Identifier: MIT */
/*
 * audit.c - a library for LD_AUDIT, which the loader brings in before all others and in a namespace of its own: it
 * allocates in each call that it gets, while the loader works on the program's namespace, and keeps some of the blocks
 * until later calls.
 */
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXPORT __attribute__((visibility("default")))

enum { N_KEPT = 50 };

static void *kept[N_KEPT];
static size_t n_calls;

static void use_malloc(void)
{
    size_t n_bytes = n_calls % 17 == 0 ? 300000 : 100 + n_calls % 5000;
    void **place = &kept[__atomic_fetch_add(&n_calls, 1, __ATOMIC_RELAXED) % N_KEPT];
    void *block = malloc(n_bytes);
    if (block == NULL)
        abort();
    memset(block, 3, n_bytes);
    free(__atomic_exchange_n(place, block, __ATOMIC_ACQ_REL));
}

EXPORT unsigned la_version(unsigned version)
{
    use_malloc();
    return version < LAV_CURRENT ? version : LAV_CURRENT;
}

EXPORT unsigned la_objopen(struct link_map *map, Lmid_t id, uintptr_t *cookie)
{
    (void)map;
    (void)id;
    (void)cookie;
    use_malloc();
    return LA_FLG_BINDTO | LA_FLG_BINDFROM;
}

EXPORT char *la_objsearch(const char *name, uintptr_t *cookie, unsigned flag)
{
    (void)cookie;
    (void)flag;
    use_malloc();
    return (char *)(uintptr_t)name;
}

EXPORT void la_activity(uintptr_t *cookie, unsigned flag)
{
    (void)cookie;
    (void)flag;
    use_malloc();
}

EXPORT void la_preinit(uintptr_t *cookie)
{
    (void)cookie;
    for (size_t i = 0; i < N_KEPT; i++)
        use_malloc();
}

EXPORT unsigned la_objclose(uintptr_t *cookie)
{
    (void)cookie;
    use_malloc();
    return 0;
}
