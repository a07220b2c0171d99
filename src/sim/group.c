/* SPDX-License-Identifier: MIT */
/* group.c - groups with a limit, the address spaces in them, and which of these ends when there is no memory left. */
#include "base/check.h"
#include "sim/reclaim.h"

void vk_shrinker_add(struct vk_reclaim *reclaim, struct vk_shrinker *shrinker)
{
    vm_list_push_back(&reclaim->shrinkers, &shrinker->link);
}

void vk_group_add(struct vk_reclaim *reclaim, struct vk_group *group, uint32_t limit)
{
    *group = (struct vk_group){.id = reclaim->next_id++, .limit = limit};
    vk_frames_init(&group->active);
    vk_frames_init(&group->inactive);
    vm_list_push_back(&reclaim->groups, &group->link);
}

int vk_group_limit(struct vk_reclaim *reclaim, struct vk_group *group, uint32_t limit)
{
    while (group->n_charged > limit)
        if (!vk_reclaim_frames(reclaim, group, VK_ZONE_HIGHMEM, group->n_charged - limit))
            return VK_EAGAIN;
    group->limit = limit;
    return 0;
}

void vk_space_add(struct vk_reclaim *reclaim, struct vk_space *space, struct vk_group *group)
{
    *space = (struct vk_space){
        .ops = space->ops,
        .id = space->id,
        .group = group ? group : &reclaim->root,
    };
    vm_list_push_back(&reclaim->spaces, &space->link);
}

void vk_space_remove(struct vk_reclaim *reclaim, struct vk_space *space)
{
    VM_CHECK(space->n_resident == 0 && space->n_swapped == 0);
    vm_list_remove(&reclaim->spaces, &space->link);
    if (reclaim->serving == space)
        reclaim->serving = NULL;
}

/* What ending it would bring: as Linux's oom_badness. */
static int64_t badness(const struct vk_reclaim *reclaim, const struct vk_space *space)
{
    const int64_t n_all = (int64_t)reclaim->phys->n_frames + reclaim->n_slots;
    return (int64_t)space->n_resident + space->n_swapped + space->n_tables +
           space->kill_adjust * n_all / 1000;
}

static struct vk_space *worst(const struct vk_reclaim *reclaim, const struct vk_group *group)
{
    struct vk_space *victim = NULL;
    for (struct list_node *link = reclaim->spaces.first; link; link = link->next) {
        struct vk_space *const space = VM_CONTAINER(link, struct vk_space, link);
        if ((group && space->group != group) || space->is_killed || space->kill_adjust <= -1000)
            continue;
        if (!victim || badness(reclaim, space) > badness(reclaim, victim))
            victim = space;
    }
    return victim;
}

bool vk_kill_one(struct vk_reclaim *reclaim, struct vk_group *group)
{
    if (reclaim->serving && reclaim->serving->is_killed)
        return false;
    struct vk_space *const victim = worst(reclaim, group);
    if (!victim)
        return false;
    victim->is_killed = true;
    reclaim->counts.n_kills++;
    victim->group->n_killed++;
    if (reclaim->on_kill)
        reclaim->on_kill(reclaim->context, victim, group);
    if (victim == reclaim->serving)
        return false; /* it is asked for by its own request, which ends with it */
    victim->ops->kill(victim);
    return true;
}
