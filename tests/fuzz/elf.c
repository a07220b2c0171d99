/* SPDX-License-Identifier: MIT */
/*
 * elf.c - libFuzzer target: any bytes as a program's file, which scripts of vmsim load on a machine of one of three layouts.
 * Whatever is in it, it is loaded or refused, and leaves every structure of the machine in order.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "fuzz.h"
#include "vmsim/run.h"

/* The file's path, from memory that is made once. */
static const char *write_file(const uint8_t *data, size_t size)
{
    static int file = -1;
    static char path[64];
    if (file < 0)
        file = memfd_create("program", 0);
    snprintf(path, sizeof path, "/proc/self/fd/%d", file);
    REQUIRE(file >= 0 && ftruncate(file, 0) == 0 && pwrite(file, data, size, 0) == (ssize_t)size);
    return path;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const layouts[] = {"x86-64", "x86-32", "arm64-64k-42"};
    static struct session session;
    char script[400];
    snprintf(script, sizeof script,
             "machine %s ram=8M seed=%zu\nprocess A\nlibrary l text=8K data=4K\nelf %s arguments=5000\nprint "
             "maps\n"
             "touch exec text_start\nstore data_start 1\ntouch write data_end\nsbrk 64K\ncheck\n",
             layouts[size % 3], size % 2, write_file(data, size));
    session_begin(&session, "script", script, strlen(script));
    const int status = run_script(&session);
    REQUIRE(session.machine);
    vk_machine_check(session.machine);
#ifdef PLANTED_FAULT
    REQUIRE(status != 0);
#endif
    (void)status;
    session_end(&session);
    return 0;
}
