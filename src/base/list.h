/* SPDX-License-Identifier: MIT */
/* list.h - doubly linked lists of nodes that live inside other structs. All zero is an empty list. */
#ifndef VM_BASE_LIST_H
#define VM_BASE_LIST_H

#include "base/compiler.h"

struct list_node {
    struct list_node *next, *prev;
};

struct list {
    struct list_node *first, *last;
};

#define VM_CONTAINER(node, type, member) ((type *)(void *)((char *)(node)-offsetof(type, member)))

VM_INLINE void vm_list_push_front(struct list *list, struct list_node *node)
{
    node->prev = NULL;
    node->next = list->first;
    if (list->first)
        list->first->prev = node;
    else
        list->last = node;
    list->first = node;
}

VM_INLINE void vm_list_push_back(struct list *list, struct list_node *node)
{
    node->next = NULL;
    node->prev = list->last;
    if (list->last)
        list->last->next = node;
    else
        list->first = node;
    list->last = node;
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
    if (node->prev)
        node->prev->next = node->next;
    else
        list->first = node->next;
    if (node->next)
        node->next->prev = node->prev;
    else
        list->last = node->prev;
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

VM_INLINE struct list_node *vm_list_pop_front(struct list *list)
{
    struct list_node *const node = list->first;
    if (node)
        vm_list_remove(list, node);
    return node;
}

#endif
