/* SPDX-License-Identifier: MIT */
/* apart.c - see apart.h. */
#include "vmsim/apart.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "vmsim/command.h"

enum apart_end run_apart(bool (*work)(void *context), void *context, void *result, size_t bytes)
{
    int ends[2], status = 0;
    if (pipe(ends) != 0) {
        vmsim_complain("%s", strerror(errno));
        return APART_REFUSED;
    }
    fflush(stdout);
    const pid_t child = fork();
    if (child == 0) {
        const bool is_done = work(context) && write(ends[1], result, bytes) == (ssize_t)bytes;
        _exit(is_done ? VMSIM_DONE : VMSIM_WRONG);
    }
    close(ends[1]);
    const bool is_read = child > 0 && read(ends[0], result, bytes) == (ssize_t)bytes;
    close(ends[0]);
    if (child > 0 && waitpid(child, &status, 0) == child && WIFSIGNALED(status)) {
        vmsim_complain("a run ended by signal %d", WTERMSIG(status));
        return APART_BROKEN;
    }
    return is_read ? APART_DONE : APART_REFUSED;
}

struct job {
    struct trace *trace;
    const char *name;
    const struct replay_plan *plan;
    struct replay_result *result;
};

static bool do_job(void *context)
{
    const struct job *const job = context;
    return replay(job->trace, job->name, job->plan, job->result);
}

bool replay_apart(struct trace *trace, const char *name, const struct replay_plan *plan,
                  struct replay_result *result)
{
    struct job job = {trace, name, plan, result};
    return run_apart(do_job, &job, result, sizeof *result) == APART_DONE;
}
