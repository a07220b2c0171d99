/* SPDX-License-Identifier: MIT */
/*
 * fault.h - a backend that stands before another one: what the fault plan says goes wrong, all else is passed
 * on, and every operation goes into the operation log. Whether one goes wrong is decided before it is done,
 * so that what is refused has changed nothing.
 */
#ifndef VM_KERNEL_FAULT_H
#define VM_KERNEL_FAULT_H

#include "base/faultplan.h"
#include "kernel/kernel.h"

/* The plan in force. Replace it while no other thread runs. */
extern struct fault_plan vm_fault_plan;

/* The backend that stands before `inner`. There is one: the last call counts. Needs: not started yet, and
   the plan is there, which says whether memory may be dirty. */
struct vm_kernel_backend *vm_fault_interpose(struct vm_kernel_backend *inner);

/* A line on standard error for each rule of the plan: how often it was asked, and struck. */
void vm_fault_report(void);

#endif
