/* SPDX-License-Identifier: MIT */
/*
 * script.c - scripts of vmsim, whatever is in them: they end, with an error or without, and leave every structure of the
 * machine in order. They may do a bounded amount of work on a bounded amount of memory, and read no files.
 */
#include <stdlib.h>
#include "fuzz.h"
#include "vmsim/run.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct session session;
    session_begin(&session, "script", (const char *)data, size);
    session.reads_no_files = true;
    session.steps_left = 20000;
    session.bytes_left = 32 << 20;
    run_script(&session);
    if (session.machine)
        vk_machine_check(session.machine);
    if (session.flat)
        vk_check(session.flat);
#ifdef PLANTED_FAULT
    if (session.n_missed)
        abort();
#endif
    session_end(&session);
    return 0;
}
