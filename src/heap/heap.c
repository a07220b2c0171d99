/* SPDX-License-Identifier: MIT */
/*
 * heap.c - see heap.h: the owner's slow paths. A malloc that finds its bin empty looks, in this order:
 * another group of the current slab, or another run of the host that is in its place; remote frees of the current
 * slab; the queue of remote frees; the other slabs of the class; a retired slab; a host; a slab of an abandoned
 * heap; the pool. The first and the last two without the heap's lock, the others under it.
 *
 * Slabs with free blocks are not kept apart from full ones: a free would have to tell when it is a slab's
 * first. Instead the list of a class is searched in turn, a few slabs at a time, and fewer after each search
 * in vain, so that a program that only allocates does not pay for it, and one that frees finds slabs that had
 * a whole turn of time to collect free blocks.
 *
 * Invariants: H1 a slab of the heap is in exactly one place: current[class], current[another class] (it is that one's
 * host) or slabs[class], as its state says; H2 a class's bins all lead to one group of current[class], a slab of that
 * class, or to none;
 * H3 a slab is in retired[] iff retired_at is not 0, and then there.
 */
#include "heap/heap.h"
#include "base/check.h"
#include "heap/asleep.h"
#include "heap/compound.h"
#include "heap/group.h"
#include "heap/heap_fast.h"
#include "heap/moves.h"
#include "heap/perturb.h"
#include "heap/remote.h"
#include "heap/retired.h"
#include "heap/thread.h"
#include "pool/pool.h"
#include "slab/sizeclass.h"

void vm_heap_destroy_slabs(struct list *emptied)
{
    struct list_node *node = vm_list_pop_front(emptied);
    if (!node)
        return;
    for (; node; node = vm_list_pop_front(emptied))
        vm_slab_destroy(vm_slab_of_node(node));
    vm_asleep_look();
}

/* --- a slab's groups ------------------------------------------------------------------------------------ */

static bool are_all_free(const struct slab *slab)
{
    for (size_t i = 0; i < slab->n_groups; i++)
        if (vm_load_acquire(&slab->group[i].x_mask) != vm_slab_group_full(slab, i))
            return false;
    return true;
}

bool vm_heap_is_slab_done(struct slab *slab)
{
    for (size_t i = 0; i < slab->n_groups; i++) {
        /* Acquire: pairs with the release store of vm_heap_free_fast and the fetch_or of vm_remote_free. */
        const vm_word free =
            vm_load_acquire(&slab->group[i].x_mask) | vm_load_acquire(&vm_slab_remote(slab)[i]);
        if (vm_slab_with_parts(free, vm_load_relaxed(&vm_slab_joined(slab)[i])) !=
            vm_slab_group_full(slab, i))
            return false;
    }
    /* R3 in remote.c: only after all blocks were seen free. */
    return vm_load_acquire(&slab->x_is_queued) == 0;
}

void vm_heap_watch_groups(struct slab *slab)
{
    if (!slab->is_quiet)
        return;
    for (size_t i = 0; i < slab->n_groups; i++)
        vm_store_relaxed(&slab->group[i].x_notify, vm_slab_group_notify(slab, i));
    slab->is_quiet = false;
}

VM_NOINLINE static void collect_group(struct slab *slab, size_t i)
{
    const vm_word remote = vm_exchange(&vm_slab_remote(slab)[i], 0); /* pairs with vm_remote_free */
    vm_asleep_wake(slab);
    const vm_word mask = vm_load_relaxed(&slab->group[i].x_mask);
    if (VM_UNLIKELY(mask & remote)) {
        const size_t index = i * (size_t)VM_WORD_BITS + vm_bits_lowest(mask & remote);
        struct heap *const heap = vm_load_relaxed(&slab->x_heap);
        if (vm_lock_is_mine(&heap->lock))
            vm_lock_release(&heap->lock);
        vm_heap_bad_free(vm_slab_block(slab, index)); /* freed here and by another thread */
    }
    vm_store_release(&slab->group[i].x_mask, vm_compound_split(slab, i, mask | remote));
}

bool vm_heap_collect_remote(struct slab *slab)
{
    bool found = false;
    vm_compound_review(slab);
    vm_heap_allow_fast(slab); /* R5 in remote.c */
    const vm_word *const remote = vm_slab_remote(slab);
    for (size_t i = 0, n = slab->n_groups; i < n; i++) {
        if (VM_LIKELY(vm_load_relaxed(&remote[i]) == 0))
            continue;
        collect_group(slab, i);
        found = true;
    }
    return found;
}

/* --- lists and bins ------------------------------------------------------------------------------------- */

/* Has all bins of the class lead to the group. Each of four stores is made, be it to the same bin: branches by the class would
   be guessed wrong as often as right. */
static void attach(struct heap *heap, unsigned class_index, struct slab_group *group)
{
    if (class_index <= VM_N_EVEN_CLASSES) { /* foreseen, as vm_class_of has just asked the same */
        heap->bin[class_index].group = group;
        return;
    }
    struct bin *const last = &heap->bin[vm_last_bin[class_index]];
    const size_t n = vm_n_bins(class_index), is_several = n > 1, are_four = n > 2;
    last->group = group;
    (last - is_several)->group = group;
    (last - 2 * are_four)->group = group;
    (last - 3 * are_four)->group = group;
}

void vm_heap_detach(struct heap *heap, unsigned class_index)
{
    attach(heap, class_index, &vm_heap_no_blocks);
}

/* Whether the class has so many slabs that one with a block or two is not worth a look. Lock: none needed, as visitors who take
   slabs away do no more harm than a moment later. */
static bool is_picky(const struct heap *heap, const struct slab *slab)
{
    return vm_load_relaxed(&heap->x_n_slabs[slab->class_index]) >= VM_PICKY_CLASS_SLABS &&
           slab->n_blocks >= VM_WORD_BITS;
}

/* Attaches a group with free blocks: the next one, `wraps` says whether behind the last there is the first. False: none has. */
static bool attach_next(struct heap *heap, struct slab *slab, bool wraps)
{
    struct slab_group *const last = heap->bin[vm_last_bin[slab->class_index]].group;
    struct slab_group *const group = vm_group_next(slab, last, wraps);
    if (!group)
        return false;
    attach(heap, slab->class_index, group);
    vm_slab_prefetch_blocks(slab, group);
    return true;
}

void vm_heap_make_current(struct heap *heap, unsigned class_index, struct slab *slab)
{
    heap->current[class_index] = slab;
    vm_store_relaxed(&slab->x_state, SLAB_CURRENT);
    slab->n_purged = 0;
    vm_heap_collect_remote(slab); /* before any of its blocks is handed out: R5 in remote.c */
}

void vm_heap_list_locked(struct heap *heap, struct slab *slab)
{
    vm_store_relaxed(&slab->x_state, SLAB_LISTED);
    vm_list_push_back(&heap->slabs[slab->class_index], &slab->span.node);
    heap->n_listed++;
    vm_counter_add(&heap->x_n_slabs[slab->class_index], 1);
}

/* The slab is known to have free blocks: the next search begins with it. */
static void move_to_front(struct heap *heap, struct slab *slab)
{
    vm_list_move_to_front(&heap->slabs[slab->class_index], &slab->span.node);
    heap->n_looks[slab->class_index] |= 1;
}

void vm_heap_unlist_locked(struct heap *heap, struct slab *slab)
{
    VM_ASSERT(slab->x_state == SLAB_LISTED);
    vm_list_remove(&heap->slabs[slab->class_index], &slab->span.node);
    heap->n_listed--;
    vm_counter_add(&heap->x_n_slabs[slab->class_index], 0U - 1);
    vm_store_relaxed(&slab->x_state, SLAB_LOOSE);
    vm_retired_forget(heap, slab);
}

/* The slab that is current[class] is LISTED again. The caller attaches or detaches the class's bins: H2. */
static void leave_current(struct heap *heap, unsigned class_index)
{
    struct slab *const slab = heap->current[class_index];
    heap->current[class_index] = NULL;
    vm_heap_watch_groups(slab);
    vm_heap_list_locked(heap, slab);
}

void vm_heap_expel_locked(struct heap *heap, struct slab *slab, struct list *emptied)
{
    if (slab->x_state == SLAB_CURRENT) {
        unsigned i = slab->class_index;
        while (heap->current[i] != slab) /* a host is another's */
            i = (i + 1) % VM_N_CLASSES;
        vm_heap_detach(heap, i);
        heap->current[i] = NULL;
        vm_store_relaxed(&slab->x_state, SLAB_LOOSE);
        vm_retired_forget(heap, slab);
    } else {
        vm_heap_unlist_locked(heap, slab);
    }
    vm_heap_collect_remote(slab);
    vm_store_relaxed(&slab->x_fast_heap, NULL);
    vm_store_release(&slab->x_heap, NULL); /* its last owner may still be on the way to look at it */
    vm_list_push_back(emptied, &slab->span.node);
}

void vm_heap_settle_slab(struct heap *heap, struct slab *slab, struct list *emptied)
{
    if (slab->x_state == SLAB_LISTED)
        move_to_front(heap, slab);
    if (slab->x_state == SLAB_LOOSE || !are_all_free(slab))
        return;
    if (vm_load_relaxed(&heap->x_state) != HEAP_ABANDONED)
        vm_retired_add(heap, slab, emptied);
    else if (vm_heap_is_slab_done(slab))
        vm_heap_expel_locked(heap, slab, emptied);
}

/* --- freeing -------------------------------------------------------------------------------------------- */

bool vm_heap_free_locked(struct heap *heap, struct slab *slab, size_t index, struct list *emptied)
{
    struct slab_group *const group = vm_slab_group(slab, index);
    vm_word mask = vm_load_relaxed(&group->x_mask);
    const vm_word remote = vm_load_relaxed(&vm_slab_remote(slab)[index >> VM_WORD_SHIFT]);
    if (vm_bits_test_set(&mask, index) || (remote & vm_slab_bit(index)) || vm_slab_is_continued(slab, index))
        return false;
    vm_store_release(&group->x_mask, vm_compound_split(slab, index >> VM_WORD_SHIFT, mask));
    vm_heap_settle_slab(heap, slab, emptied);
    return true;
}

bool vm_heap_free_own(struct slab *slab, size_t index)
{
    if (vm_load_relaxed(&slab->x_state) == SLAB_CURRENT)
        vm_heap_collect_remote(slab);
    struct slab_group *const group = vm_slab_group(slab, index);
    vm_word mask = vm_load_relaxed(&group->x_mask);
    if (vm_bits_test_set(&mask, index) || vm_slab_is_continued(slab, index))
        return false;
    mask = vm_compound_split(slab, index >> VM_WORD_SHIFT, mask);
    vm_store_release(&group->x_mask, mask);
    if (mask == vm_load_relaxed(&group->x_notify))
        vm_heap_group_emptied(group, slab);
    return true;
}

void vm_heap_group_emptied(struct slab_group *group, struct slab *slab)
{
    struct heap *const heap = vm_heap_self;
    struct list emptied = {0};
    if (!vm_heap_enter(heap))
        return;
    if (vm_load_relaxed(&heap->x_queue))
        vm_heap_drain_locked(heap, &emptied);
    /* Between our store to the mask and here another thread may have taken the slab, now free, away; the
       descriptor may even be another slab's by now. */
    if (vm_load_relaxed(&slab->x_heap) == heap && slab->x_state != SLAB_LOOSE) {
        if (are_all_free(slab))
            vm_retired_add(heap, slab, &emptied);
        else if (slab->x_state == SLAB_CURRENT && (char *)group < (char *)vm_slab_remote(slab)) {
            vm_store_relaxed(&group->x_notify, 0); /* in use elsewhere: be quiet while this group is */
            slab->is_quiet = true;
        }
    }
    vm_lock_release(&heap->lock);
    vm_heap_destroy_slabs(&emptied);
}

void vm_heap_drain_locked(struct heap *heap, struct list *emptied)
{
    struct slab *next;
    vm_asleep_note(heap, 0);
    for (struct slab *slab = vm_exchange(&heap->x_queue, NULL); slab; slab = next) {
        next = slab->x_next_queued;
        if (vm_load_acquire(&slab->x_heap) != heap) {
            vm_remote_queue(slab); /* it moved while the remote free was on its way */
            continue;
        }
        vm_exchange(&slab->x_is_queued, 0); /* before collecting: R2 in remote.c */
        vm_heap_collect_remote(slab);
        vm_heap_settle_slab(heap, slab, emptied);
    }
    if (VM_LIKELY(!vm_load_relaxed(&heap->x_missed)) || !vm_exchange(&heap->x_missed, 0))
        return;
    for (unsigned i = 0; i < VM_N_CLASSES; i++) {
        struct list_node *node_after;
        for (struct list_node *node = heap->slabs[i].first; node; node = node_after) {
            node_after = node->next;
            if (vm_heap_collect_remote(vm_slab_of_node(node)) && are_all_free(vm_slab_of_node(node)))
                vm_heap_settle_slab(heap, vm_slab_of_node(node), emptied);
        }
    }
}

void vm_heap_settle_locked(struct heap *heap, struct list *emptied)
{
    vm_heap_drain_locked(heap, emptied);
    vm_retired_forget_all(heap);
    for (unsigned i = 0; i < VM_N_CLASSES; i++) {
        struct slab *const slab = heap->current[i];
        if (slab) {
            vm_heap_collect_remote(slab);
            vm_heap_detach(heap, i);
            leave_current(heap, i);
            move_to_front(heap, slab);
        }
    }
    for (unsigned i = 0; i < VM_N_CLASSES; i++) {
        struct list_node *next;
        for (struct list_node *node = heap->slabs[i].first; node; node = next) {
            next = node->next;
            if (vm_heap_is_slab_done(vm_slab_of_node(node)))
                vm_heap_expel_locked(heap, vm_slab_of_node(node), emptied);
        }
    }
}

/* --- allocating ----------------------------------------------------------------------------------------- */

enum {
    LOOKS_MAX = 16,
    ENOUGH_BLOCKS = 4, /* free ones in a slab of a class that has many */
    ENOUGH_SHIFT = 5   /* and 1/32 of all */
};

/* Whether it is worth taking blocks from the slab. In a large heap, with a block or two in each slab, most of an allocation
   would be the search for the next one: these wait until they have more. */
static bool has_enough(const struct heap *heap, struct slab *slab)
{
    return is_picky(heap, slab)
               ? vm_group_count(slab) >= vm_max_size(ENOUGH_BLOCKS, slab->n_blocks >> ENOUGH_SHIFT)
               : vm_group_has_any(slab);
}

struct slab *vm_heap_find_listed_locked(struct heap *heap, unsigned class_index)
{
    struct list *const list = &heap->slabs[class_index];
    const unsigned n_looks = heap->n_looks[class_index];
    struct list_node *node = list->first;
    for (unsigned i = 0; i <= n_looks && node; i++, node = node->next) {
        struct slab *const slab = vm_slab_of_node(node);
        vm_slab_prefetch(node->next);
        if (!has_enough(heap, slab))
            continue;
        vm_list_turn_to(list, node);
        vm_heap_unlist_locked(heap, slab);
        heap->n_looks[class_index] = (uint8_t)(n_looks < LOOKS_MAX / 2 ? 2 * n_looks + 1 : LOOKS_MAX);
        return slab;
    }
    if (node)
        vm_list_turn_to(list, node);
    heap->n_looks[class_index] = (uint8_t)(n_looks / 2);
    return NULL;
}

/* The current slab has nothing left, or there is none: another of the heap's. NULL: none. */
static struct slab *next_slab(struct heap *heap, unsigned class_index, struct list *emptied)
{
    if (vm_load_relaxed(&heap->x_queue) || vm_load_relaxed(&heap->x_missed))
        vm_heap_drain_locked(heap, emptied);
    struct slab *const slab = vm_heap_find_listed_locked(heap, class_index);
    return slab ? slab : vm_retired_reuse(heap, class_index);
}

/* Attaches a group of the current slab, with what others freed in it. False: it is full. */
static bool refill_from_current(struct heap *heap, struct slab *slab)
{
    vm_retired_forget(heap, slab);
    slab->is_worn = true;
    vm_heap_watch_groups(slab);
    if (attach_next(heap, slab, !is_picky(heap, slab)))
        return true;
    /* R5: without remote frees x_fast_heap is the heap. */
    return vm_load_relaxed(&slab->x_fast_heap) != heap && vm_heap_collect_remote(slab) &&
           attach_next(heap, slab, !is_picky(heap, slab));
}

/* Attaches a group with free blocks to the class's bin, from what the heap has. False: it has none. */
static bool refill_locked(struct heap *heap, unsigned class_index, struct list *emptied)
{
    struct slab *const used_up = heap->current[class_index];
    if (used_up) {
        const bool is_host = used_up->class_index != class_index;
        if (!is_host && refill_from_current(heap, used_up))
            return true;
        leave_current(heap, class_index);
        if (is_host)
            vm_heap_settle_slab(heap, used_up, emptied);
    }
    struct slab *const slab = next_slab(heap, class_index, emptied);
    if (!slab) {
        vm_heap_detach(heap, class_index);
        return false;
    }
    vm_heap_make_current(heap, class_index, slab);
    return attach_next(heap, slab, true);
}

/* A block of the attached group. Needs: to act as owner. */
static void *take_attached(struct heap *heap, unsigned class_index)
{
    const struct bin *const bin = &heap->bin[vm_last_bin[class_index]];
    void *const block = vm_heap_take(bin, vm_load_relaxed(&bin->group->x_mask));
    if (VM_UNLIKELY(vm_load_relaxed(&vm_heap_policy.x_perturb)))
        vm_heap_detach(heap, class_index); /* the next one is filled, too */
    return block;
}

static void *take_locked(struct heap *heap, unsigned class_index, struct list *emptied)
{
    return refill_locked(heap, class_index, emptied) ? take_attached(heap, class_index) : NULL;
}

/* Another group of the current slab, or a run of the host: the bin and the slabs' masks are the owner's, so no lock.
   NULL: none. */
VM_INLINE void *take_from_current(struct heap *heap, unsigned class_index)
{
    struct slab *const slab = heap->current[class_index];
    if (!slab)
        return NULL;
    if (slab->class_index != class_index)
        return vm_compound_take(heap, class_index);
    if (slab->n_groups == 1 || slab->is_quiet || !attach_next(heap, slab, !is_picky(heap, slab)))
        return NULL;
    return take_attached(heap, class_index);
}

/* The same, or a compound block, if the heap is large enough to be worth the search. */
static void *take_any_locked(struct heap *heap, unsigned class_index, struct list *emptied)
{
    /* The host of a thread's own heap has just been asked. */
    void *block = heap == vm_heap_self ? NULL : vm_compound_take(heap, class_index);
    if (!block)
        block = take_locked(heap, class_index, emptied);
    if (block || heap->n_listed < VM_COMPOUND_HEAP_SLABS)
        return block;
    return vm_compound_take_from_next(heap, class_index);
}

/* A block of what the heap has. NULL: there is none, and *n_owned says how many slabs the class has. */
static void *take(struct heap *heap, unsigned class_index, bool may_be_compound, unsigned *n_owned)
{
    struct list emptied = {0};
    if (!vm_heap_enter(heap))
        return NULL;
    void *const block = may_be_compound ? take_any_locked(heap, class_index, &emptied)
                                        : take_locked(heap, class_index, &emptied);
    if (!block) {
        *n_owned = heap->x_n_slabs[class_index];
        vm_retired_note_regret(heap, class_index);
    }
    vm_lock_release(&heap->lock);
    vm_heap_destroy_slabs(&emptied);
    return block;
}

/* A block of a LOOSE slab, which becomes the heap's. */
static void *take_from_new(struct heap *heap, struct slab *slab)
{
    struct list emptied = {0};
    vm_store_release(&slab->x_heap, heap);
    if (!vm_heap_enter(heap))
        return NULL; /* this child loses the slab */
    vm_heap_list_locked(heap, slab);
    move_to_front(heap, slab);
    void *const block = take_locked(heap, slab->class_index, &emptied);
    vm_lock_release(&heap->lock);
    vm_heap_destroy_slabs(&emptied);
    return block;
}

/* A block of a slab that was an abandoned heap's. NULL: there is none. */
static void *take_from_abandoned(struct heap *heap, unsigned class_index)
{
    struct slab *const slab = vm_thread_adopt_slab(heap, class_index);
    if (!slab)
        return NULL;
    void *const block = take_from_new(heap, slab);
    vm_moves_arrive();
    return block;
}

/* A block of a slab that is made for the heap, which has n_owned of the class. NULL: there are no pages. */
static void *take_from_pool(struct heap *heap, unsigned class_index, unsigned n_owned)
{
    struct slab *const slab = vm_slab_create(class_index, n_owned);
    return slab ? take_from_new(heap, slab) : NULL;
}

static bool is_frozen(const struct heap *heap)
{
    return vm_load_relaxed(&heap->x_state) == HEAP_FROZEN;
}

/* The bin is empty. NULL also if the heap is frozen. */
static void *alloc_from(struct heap *heap, unsigned class_index, bool may_be_compound)
{
    unsigned n_owned = 0;
    void *block = take(heap, class_index, may_be_compound, &n_owned);
    if (!block && !is_frozen(heap))
        block = take_from_abandoned(heap, class_index);
    return block || is_frozen(heap) ? block : take_from_pool(heap, class_index, n_owned);
}

/* Once more with another heap, if the thread's is frozen by now: in a fork child. */
static void *alloc(unsigned class_index, bool may_be_compound)
{
    struct heap *heap;
    void *block;
    do {
        heap = vm_thread_enter();
        if (!heap)
            return NULL;
        block = alloc_from(heap, class_index, may_be_compound);
        vm_thread_leave(heap);
    } while (VM_UNLIKELY(!block) && is_frozen(heap));
    return block;
}

void *vm_heap_alloc(unsigned class_index)
{
    void *const block = take_from_current(vm_heap_self, class_index);
    return block ? block : alloc(class_index, true);
}

void *vm_heap_alloc_plain(unsigned class_index)
{
    return alloc(class_index, false);
}

/* The search in turn stops early, and wants more than a few blocks; this one finds a block of the class if the heap has one
   at all. */
static void *take_last_locked(struct heap *heap, unsigned class_index, struct list *emptied)
{
    void *const block = take_locked(heap, class_index, emptied);
    if (block)
        return block;
    struct list_node *node = heap->slabs[class_index].first;
    while (node && !vm_group_has_any(vm_slab_of_node(node)))
        node = node->next;
    if (!node)
        return NULL;
    vm_heap_unlist_locked(heap, vm_slab_of_node(node));
    vm_heap_make_current(heap, class_index, vm_slab_of_node(node));
    return attach_next(heap, vm_slab_of_node(node), true) ? take_attached(heap, class_index) : NULL;
}

void *vm_heap_alloc_spare(unsigned class_index)
{
    struct heap *const heap = vm_thread_enter();
    if (!heap)
        return NULL;
    struct list emptied = {0};
    void *block = NULL;
    if (vm_heap_enter(heap)) {
        for (; !block && class_index < VM_N_CLASSES; class_index++)
            block = take_last_locked(heap, class_index, &emptied);
        vm_lock_release(&heap->lock);
    }
    vm_heap_destroy_slabs(&emptied);
    vm_thread_leave(heap);
    return block;
}
