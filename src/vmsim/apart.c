/* SPDX-License-Identifier: MIT */
/* apart.c - a replay in a child process: the allocator is one for a process, and after a replay it is used. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "vmsim/command.h"
#include "vmsim/replay.h"

bool replay_apart(struct trace *trace, const char *name, const struct replay_plan *plan,
                  struct replay_result *result)
{
    int ends[2], status;
    if (pipe(ends) != 0)
        return vmsim_complain("%s", strerror(errno)) == VMSIM_DONE;
    fflush(stdout);
    const pid_t child = fork();
    if (child == 0) {
        const bool is_done =
            replay(trace, name, plan, result) && write(ends[1], result, sizeof *result) == sizeof *result;
        _exit(is_done ? VMSIM_DONE : VMSIM_WRONG);
    }
    close(ends[1]);
    const bool is_read = child > 0 && read(ends[0], result, sizeof *result) == sizeof *result;
    close(ends[0]);
    if (child < 0)
        vmsim_complain("%s", strerror(errno));
    else if (waitpid(child, &status, 0) == child && WIFSIGNALED(status))
        vmsim_complain("a replay ended by signal %d", WTERMSIG(status));
    return is_read;
}
