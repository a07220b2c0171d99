/* SPDX-License-Identifier: MIT */
/* plan.c - see plan.h. Owns nothing: the plan is the machine's. */
#include "sim/plan.h"
#include "sim/machine.h"

static const struct fault_rule *strike(struct vk_phys *phys, struct fault_call call)
{
    if (!phys->plan)
        return NULL;
    call.known |= 1U << FAULT_CPU;
    call.property[FAULT_CPU] = phys->cpu;
    return vm_faultplan_strike(phys->plan, &call);
}

static struct fault_call call_of(enum fault_site site, uint64_t bytes, const struct vk_space *space)
{
    return (struct fault_call){
        .site = site,
        .known = 1U << FAULT_SIZE | (space ? 1U << FAULT_MM : 0),
        .property = {[FAULT_SIZE] = bytes, [FAULT_MM] = space ? space->id : 0},
    };
}

bool vk_plan_strikes_page(struct vk_phys *phys, unsigned order, unsigned gfp)
{
    struct fault_call call = call_of(FAULT_PAGE, (uint64_t)vk_phys_page_bytes(phys) << order, NULL);
    call.known |= 1U << FAULT_ORDER | 1U << FAULT_ZONE;
    call.property[FAULT_ORDER] = order;
    call.property[FAULT_ZONE] = vk_gfp_zone(gfp);
    return strike(phys, call);
}

bool vk_plan_strikes(struct vk_phys *phys, enum fault_site site, uint64_t bytes, const struct vk_space *space)
{
    return strike(phys, call_of(site, bytes, space));
}

int vk_plan_admit(struct vk_mm *mm, enum fault_site site, size_t bytes)
{
    static const int errors[] = {[FAULT_ENOMEM] = VK_ENOMEM,
                                 [FAULT_EINVAL] = VK_EINVAL,
                                 [FAULT_EAGAIN] = VK_EAGAIN,
                                 [FAULT_EBUSY] = VK_EBUSY};
    struct vk_process *const process = vk_process_of(mm);
    const struct fault_rule *const rule =
        strike(&process->machine->phys, call_of(site, bytes, &process->space));
    return rule ? errors[rule->error] : 0;
}

/* --- the calls -------------------------------------------------------------------------------------------- */

static bool fails_alone(const struct fault_plan *plan)
{
    for (unsigned i = 0; i < plan->n_rules; i++)
        if (plan->rule[i].effect != FAULT_FAIL)
            return false;
    return true;
}

int vk_machine_plan(struct vk_machine *machine, const char *text, struct vk_complaint *complaint)
{
    struct fault_plan plan;
    struct scan_complaint found;
    bool is_plan = vm_faultplan_parse(&plan, vm_piece_of(text), &found);
    if (is_plan && !fails_alone(&plan)) {
        found = (struct scan_complaint){1, 1, "no effect but fail: the machine knows no other"};
        is_plan = false;
    }
    if (!is_plan) {
        *complaint = (struct vk_complaint){found.line, found.column, found.expected};
        return VK_EINVAL;
    }
    vk_enter(&machine->kernel);
    machine->plan = plan;
    machine->phys.plan = plan.n_rules ? &machine->plan : NULL;
    vk_leave(&machine->kernel);
    return 0;
}

uint64_t vk_machine_plan_hits(const struct vk_machine *machine)
{
    uint64_t n_hits = 0;
    for (unsigned i = 0; i < machine->plan.n_rules; i++)
        n_hits += machine->plan.rule[i].x_n_hits;
    return n_hits;
}

void vk_machine_report_plan(struct vk_machine *machine, const struct vk_writer *writer)
{
    vk_enter(&machine->kernel);
    for (unsigned i = 0; i < machine->plan.n_rules; i++) {
        struct message message = {0};
        vm_faultplan_describe(&message, &machine->plan, i);
        vm_message_text(&message, "\n");
        writer->write(writer->context, message.text, message.length);
    }
    vk_leave(&machine->kernel);
}
