/* SPDX-License-Identifier: MIT */
/*
 * host.c - host HOW FLAG PLUGIN WHAT: opens a plug-in and prints one word, or why it cannot be opened (status 1).
 *
 *   HOW    itself: by dlopen; dlmopen: by that, into the program's own namespace; constructor: the preloaded opener did
 *          it before main; else the path of the opener, which is to do it
 *   FLAG   deep: with RTLD_DEEPBIND; plain: without
 *   WHAT   free: the plug-in frees blocks of strdup; make: it makes a block, and the program frees it; whose: it tells
 *          whose definition of `whose` it sees
 */
#include <dlfcn.h>
#include <stdlib.h>

#include "expect.h"

const char *whose(void);

/* What the plug-in and the opener offer; the union turns what dlsym returns into a function. */
union entry {
    void *address;
    void *(*open)(const char *file, int mode);
    void *(*early)(void);
    void (*release)(void *block);
    void *(*make)(void);
    const char *(*whose)(void);
};

const char *whose(void)
{
    return "program";
}

static void *opened(void *handle)
{
    if (handle == NULL) {
        expect_figure("%s\n", dlerror());
        _exit(1);
    }
    return handle;
}

static union entry find(void *handle, const char *name)
{
    union entry entry = {.address = dlsym(handle, name)};
    REQUIRE(entry.address != NULL);
    return entry;
}

static void *open_plugin(const char *how, const char *path, int mode)
{
    if (strcmp(how, "itself") == 0)
        return dlopen(path, mode);
    if (strcmp(how, "dlmopen") == 0)
        return dlmopen(LM_ID_BASE, path, mode);
    if (strcmp(how, "constructor") == 0)
        return find(RTLD_DEFAULT, "opener_early").early();
    return find(opened(dlopen(how, RTLD_NOW)), "opener_open").open(path, mode);
}

/* The word before the block that is freed must not look like a size to glibc, so there is text before it. */
static void let_free(void *plugin)
{
    char *texts[8];
    for (size_t i = 0; i < 8; i++) {
        texts[i] = strdup("thirty bytes of text or so ...");
        REQUIRE(texts[i] != NULL);
    }
    for (size_t i = 8; i-- > 0;)
        find(plugin, "plugin_free").release(texts[i]);
}

int main(int argc, char **argv)
{
    REQUIRE(argc == 5);
    const char *how = argv[1], *flag = argv[2], *path = argv[3], *what = argv[4];
    int mode = RTLD_NOW | (strcmp(flag, "deep") == 0 ? RTLD_DEEPBIND : 0);
    void *plugin = opened(open_plugin(how, path, mode));
    if (strcmp(what, "free") == 0) {
        let_free(plugin);
        expect_figure("freed\n");
    } else if (strcmp(what, "make") == 0) {
        free(find(plugin, "plugin_make").make());
        expect_figure("freed\n");
    } else {
        expect_figure("%s\n", find(plugin, "plugin_whose").whose());
    }
    return expect_result();
}
