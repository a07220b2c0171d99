/* SPDX-License-Identifier: MIT */
/* stand_ins.c - heaps that stand in for none, which few processes need: apart from the small variables that all have. See
   vm_thread_make_stand_ins. */
#include "heap/thread.h"

struct heap vm_heap_ended, vm_heap_none_within, vm_heap_ended_within;
