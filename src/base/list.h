/* SPDX-License-Identifier: MIT */
/*
 * list.h - doubly linked lists of nodes that live inside other structs. All zero is an empty list.
 *
 * A list is one pointer, as each heap has one for each class: the last node's next is NULL, and the first node's prev is
 * the last one.
 */
#ifndef VM_BASE_LIST_H
#define VM_BASE_LIST_H

#include "base/compiler.h"

struct list_node {
    struct list_node *next, *prev;
};

struct list {
    struct list_node *first;
};

#define VM_CONTAINER(node, type, member) ((type *)(void *)((char *)(node)-offsetof(type, member)))

VM_INLINE struct list_node *vm_list_last(const struct list *list)
{
    return list->first ? list->first->prev : NULL;
}

/* The node before one that is in a list; NULL: it is the first. */
VM_INLINE struct list_node *vm_list_prev(const struct list_node *node)
{
    return node->prev->next ? node->prev : NULL;
}

VM_INLINE void vm_list_push_front(struct list *list, struct list_node *node)
{
    struct list_node *const first = list->first;
    node->next = first;
    node->prev = first ? first->prev : node;
    if (first)
        first->prev = node;
    list->first = node;
}

VM_INLINE void vm_list_push_back(struct list *list, struct list_node *node)
{
    struct list_node *const last = vm_list_last(list);
    node->next = NULL;
    node->prev = last ? last : node;
    if (last)
        last->next = node;
    else
        list->first = node;
    list->first->prev = node;
}

/* Puts the node behind `prev`; NULL: at the front. */
VM_INLINE void vm_list_insert(struct list *list, struct list_node *node, struct list_node *prev)
{
    if (!prev) {
        vm_list_push_front(list, node);
    } else if (!prev->next) {
        vm_list_push_back(list, node);
    } else {
        node->prev = prev;
        node->next = prev->next;
        prev->next = prev->next->prev = node;
    }
}

VM_INLINE void vm_list_remove(struct list *list, struct list_node *node)
{
    if (node == list->first)
        list->first = node->next;
    else
        node->prev->next = node->next;
    if (node->next)
        node->next->prev = node->prev;
    else if (list->first)
        list->first->prev = node->prev;
    node->next = node->prev = NULL;
}

VM_INLINE void vm_list_move_to_front(struct list *list, struct list_node *node)
{
    vm_list_remove(list, node);
    vm_list_push_front(list, node);
}

VM_INLINE void vm_list_move_to_back(struct list *list, struct list_node *node)
{
    vm_list_remove(list, node);
    vm_list_push_back(list, node);
}

/* Turns the list until `node`, which is in it, is the first: those before it go behind the last, in their order. */
VM_INLINE void vm_list_turn_to(struct list *list, struct list_node *node)
{
    struct list_node *const first = list->first, *const last = first->prev;
    if (node == first)
        return;
    node->prev->next = NULL;
    last->next = first;
    list->first = node; /* its `prev` is the last now, as is right */
}

VM_INLINE struct list_node *vm_list_pop_front(struct list *list)
{
    struct list_node *const node = list->first;
    if (node)
        vm_list_remove(list, node);
    return node;
}

#endif
