/* SPDX-License-Identifier: MIT */
/*
 * thread.h - which heap a thread has: start, end, adoption. Owns the thread-local pointer and the registry of
 * heaps.
 */
#ifndef VM_HEAP_THREAD_H
#define VM_HEAP_THREAD_H

#include "heap/heap.h"

/* The constant heaps: no bin holds a block, no slab is theirs. The first two may get a taker; within a call that it has
   taken, their twins stand for them. */
extern struct heap vm_heap_none, vm_heap_ended, vm_heap_none_within, vm_heap_ended_within;

/* Makes those that are not the first, unless they are there. Needs: before one of them becomes vm_heap_self. */
void vm_thread_make_stand_ins(void);

/* Where an empty bin leads. Not const, as a bin's group is not. */
extern struct slab_group vm_heap_no_blocks;

/*
 * A heap for the calling thread to act on: its own, which its first call gives it, or, after its end began,
 * one that is borrowed for this call. NULL: out of memory, or the thread's calls have a taker. Give it back with vm_thread_leave.
 */
struct heap *vm_thread_enter(void);
void vm_thread_leave(struct heap *heap);

/* Called with its heap when a thread ends. Others' destructors may still follow, and may allocate. */
void vm_thread_end(void *heap);

/* Gives all empty slabs of the calling thread's heap back. Lock: none held. */
void vm_thread_settle(void);

/* Newest heap ever made; the others follow by x_next. */
struct heap *vm_thread_heaps(void);

/* A slab of the class with free blocks, from an abandoned heap; it is in no list and `heap` owns it. NULL:
   none. */
struct slab *vm_thread_adopt_slab(struct heap *heap, unsigned class_index);

/* For a fork child, whose only thread is the caller: every other thread's heap is abandoned, or frozen. */
void vm_thread_reset_in_child(void);

#endif
