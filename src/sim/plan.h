/* SPDX-License-Identifier: MIT */
/*
 * plan.h - what fails on purpose on a machine that pages: a plan of base/faultplan.h, asked at each site before anything is
 * done there.
 */
#ifndef VM_SIM_PLAN_H
#define VM_SIM_PLAN_H

#include "sim/kernel.h"
#include "sim/phys.h"

/* Counts a call; whether it is to fail. `space` NULL: whom it is for is not known. */
bool vk_plan_strikes_page(struct vk_phys *phys, unsigned order, unsigned gfp);
bool vk_plan_strikes(struct vk_phys *phys, enum fault_site site, uint64_t bytes,
                     const struct vk_space *space);

/* An operation of struct vk_backing. */
int vk_plan_admit(struct vk_mm *mm, enum fault_site site, size_t bytes);

#endif
