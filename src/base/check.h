/* SPDX-License-Identifier: MIT */
/*
 * check.h - asserts. VM_ASSERT states what only a bug of ours can break and is compiled out at check level 0;
 * VM_GUARD states what a caller's bug or a stray write can break and is always in.
 */
#ifndef VM_BASE_CHECK_H
#define VM_BASE_CHECK_H

#include "base/config.h"
#include "base/report.h"

#define VM_CHECK_FAILED(condition) vm_report_broken(__FILE__ ":" VM_STRING(__LINE__) ": " #condition)

#if VM_CHECK_LEVEL >= 1
#define VM_ASSERT(condition) (VM_LIKELY(condition) ? (void)0 : VM_CHECK_FAILED(condition))
#else
#define VM_ASSERT(condition) ((void)(0 && (condition)))
#endif

/* For checkers, which exist to be run: the condition is tested at every check level. */
#define VM_CHECK(condition) (VM_LIKELY(condition) ? (void)0 : VM_CHECK_FAILED(condition))

#define VM_GUARD(condition) VM_CHECK(condition)

#endif
