/* SPDX-License-Identifier: MIT */
/*
 * moves.h - slabs that are in no heap's list for a moment.
 *
 * One that was adopted is in none until its new heap's owner has listed it; one that malloc_trim purges, while it does. Between,
 * they are on their way. Who looks through all heaps and wants to meet every slab once holds them: hold waits until all have
 * arrived, and from then on to release none begins, and whoever leaves waits; the next hold waits for it in turn. Each wait ends
 * after a second. Lock: none held, but as said below.
 */
#ifndef VM_HEAP_MOVES_H
#define VM_HEAP_MOVES_H

#include <stdbool.h>

/* A slab is on its way. False: it must stay. Lock: the heap's may be held. */
bool vm_moves_begin(void);

/* The same for one that may wait. */
void vm_moves_leave(void);

/* It is in a list again. */
void vm_moves_arrive(void);

void vm_moves_hold(void);
void vm_moves_release(void);

/* For a fork child: what was on its way is lost. */
void vm_moves_reset_in_child(void);

#endif
