/* SPDX-License-Identifier: MIT */
/* options.c - see options.h. */
#include "vmsim/options.h"
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include "vmsim/command.h"

const struct replay_plan replay_plan_default = {
    .tunables = {TUNABLE_AS_TRACED, TUNABLE_AS_TRACED, TUNABLE_AS_TRACED, TUNABLE_AS_TRACED,
                 TUNABLE_AS_TRACED},
};

bool option_size(const char *option, const char *text, size_t *size)
{
    static const char units[] = "KMG";
    char *end;
    errno = 0;
    unsigned long long value = text[0] >= '0' && text[0] <= '9' ? strtoull(text, &end, 10) : 0;
    if (text[0] < '0' || text[0] > '9')
        errno = EINVAL;
    if (!errno && *end) {
        const char *const unit = strchr(units, *end);
        const int shift = unit ? 10 * (int)(unit - units + 1) : 0;
        if (!unit || end[1] || value > ULLONG_MAX >> shift)
            errno = EINVAL;
        value <<= shift;
    }
    if (errno || value > SIZE_MAX) {
        vmsim_misused("--%s=%s: not a size (a number, then K, M, G or nothing)", option, text);
        return false;
    }
    *size = (size_t)value;
    return true;
}

static bool read_touch(const char *text, struct replay_plan *plan)
{
    static const char *const words[] = {
        [TOUCH_ALL] = "all", [TOUCH_FIRST] = "first", [TOUCH_TRACE] = "trace"};
    char *end;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (words[i] && strcmp(words[i], text) == 0) {
            plan->touch = (enum touch_policy)i;
            return true;
        }
    const long share = text[0] >= '0' && text[0] <= '9' ? strtol(text, &end, 10) : -1;
    if (share < 0 || share > 100 || strcmp(end, "%") != 0) {
        vmsim_misused("--touch=%s: not all, first, trace or a number from 0 to 100 and %%", text);
        return false;
    }
    plan->touch = TOUCH_SHARE;
    plan->touch_hundredths = (unsigned)share;
    return true;
}

/* "64x4", or "64". */
static bool read_tlb(const char *text, struct replay_plan *plan)
{
    char *end = NULL;
    const bool is_number = text[0] >= '1' && text[0] <= '9';
    const unsigned long entries = is_number ? strtoul(text, &end, 10) : 0;
    const bool has_ways = is_number && *end == 'x' && end[1] >= '1' && end[1] <= '9';
    const unsigned long ways = has_ways ? strtoul(end + 1, &end, 10) : entries;
    if (!is_number || *end || entries > 65536 || (entries & (entries - 1)) || ways > entries ||
        (ways & (ways - 1))) {
        vmsim_misused("--tlb=%s: not two powers of two, as in 64x4, the second not above the first", text);
        return false;
    }
    plan->machine.tlb_entries = (unsigned)entries;
    plan->machine.tlb_ways = (unsigned)ways;
    return true;
}

static bool read_tunable(const char *text, struct replay_plan *plan)
{
    const size_t length = strcspn(text, "=");
    for (int i = 0; i < N_REPLAY_TUNABLES; i++) {
        if (strlen(replay_tunable_names[i]) != length || memcmp(replay_tunable_names[i], text, length) != 0)
            continue;
        size_t value = 0;
        const bool is_none = strcmp(text + length, "=-1") == 0;
        if (!is_none && !option_size("set", text[length] ? text + length + 1 : "", &value))
            return false;
        if (value <= INT_MAX) {
            plan->tunables[i] = is_none ? -1 : (int)value;
            return true;
        }
    }
    vmsim_misused("--set=%s: not a tunable and a value up to 2G - 1 or -1", text);
    return false;
}

bool option_replay(int option, const char *text, struct replay_plan *plan)
{
    switch (option) {
    case 'm':
        plan->machine.layout = text;
        return true;
    case 'p':
        return option_size("page", text, &plan->machine.page_bytes);
    case 'r':
        return option_size("ram", text, &plan->machine.ram_bytes);
    case 'l':
        return option_size("limit", text, &plan->machine.limit_bytes);
    case 'G':
        return option_size("group", text, &plan->machine.group_bytes);
    case 'S':
        return option_size("swap", text, &plan->machine.swap_bytes);
    case 'T':
        return read_tlb(text, plan);
    case 'P':
        plan->machine.plan = text;
        return true;
    case 't':
        return read_touch(text, plan);
    case 's':
        return read_tunable(text, plan);
    default:
        return false; /* getopt said why */
    }
}
