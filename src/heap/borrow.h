/* SPDX-License-Identifier: MIT */
/*
 * borrow.h - the first blocks of a class, from slabs of a larger one.
 *
 * A class that is asked for needs a slab, and with its first block at least a page. Most small programs have a few blocks
 * each of many classes: what they ask for fits into half as many pages if the first requests of a class are
 * served by a larger one that has a slab already. The larger block is at most twice as large, and a class borrows so few
 * that what is wasted stays well below the page that is saved (decision 0049). A borrowed block is a block of its
 * slab as any other, to all that comes after.
 */
#ifndef VM_HEAP_BORROW_H
#define VM_HEAP_BORROW_H

#include "heap/heap.h"

/* A block of a larger class for a class that has no slab, zeroed behind the class's bytes. NULL: no larger one has a free block
   at hand, or the class has borrowed enough and is to have a slab of its own. Needs: the lock, and to act as owner. */
void *vm_borrow_take(struct heap *heap, unsigned class_index);

#endif
