/* A free slot that something wrote to: found when the slot is popped, if the write hit bits that no
 * address has. A link is stored rotated, so those are its lowest 20 bits.
 * tests/death/hardened_misuse.sh runs this in the hardened mode, too, where a freed slot rests first. */
#include "config.h"

#include "tests/death/death.h"

#define OVERWRITTEN "a free slot was overwritten"

typedef struct damage {
    size_t size;
    unsigned char *slot;
    unsigned int byte;
    unsigned char flip;
    void (*use)(size_t size);
} damage;

static void *volatile popped;

static void pop(size_t size)
{
    popped = _emalloc(size ZEND_MM_HERE);
}

static void overwrite_and_use(void *arg)
{
    damage *plan = arg;
    plan->slot[plan->byte] ^= plan->flip;
    plan->use(plan->size);
}

/* Free the blocks; the slot that the next allocation of their size gets. What rests is made to leave
 * by a gc, which would free the run, too, if no other slot of it were live. */
static unsigned char *free_both(void *block, void *other, size_t size)
{
    zend_mm_heap *heap = zend_mm_get_heap();
    if (is_hardened()) {
        (void)!emalloc(size);
    }
    efree(block);
    efree(other);
    if (is_hardened()) {
        (void)zend_mm_gc(heap);
    }
    return (unsigned char *)heap->free_buckets[zend_mm_bin_of(size)].first;
}

/* Two free slots of the bin, so that the first one's link is not the end of the list. */
static damage new_damage(size_t size)
{
    void *next = emalloc(size), *slot = emalloc(size);
    return (damage){ .size = size, .slot = free_both(next, slot, size), .use = pop };
}

static void check_flip(damage *plan, unsigned int byte, unsigned char flip)
{
    plan->byte = byte;
    plan->flip = flip;
    check_panic(overwrite_and_use, plan, OVERWRITTEN, plan->slot,
        (int)zend_mm_bin_of(plan->size));
}

/* The lowest bits of a link are those above the address space, and behind them those of the alignment. */
static void test_flips(void)
{
    damage plan = new_damage(unknown(100));
    CHECK_CASE("each flipped bit of the first two bytes of a slot is caught");
    if (!has_free_checks()) {
        return;
    }
    for (unsigned int bit = 0; bit < 16; bit++) {
        check_flip(&plan, bit / 8, (unsigned char)(1u << bit % 8));
    }
    CHECK_CASE("each flipped bit above the address space is caught");
    for (unsigned int bit = 0; bit < ZEND_MM_LINK_ROTATION; bit++) {
        check_flip(&plan, bit / 8, (unsigned char)(1u << bit % 8));
    }
    CHECK_CASE("each flipped bit of the alignment is caught");
    for (unsigned int bit = ZEND_MM_LINK_ROTATION; bit < ZEND_MM_LINK_ROTATION + 3; bit++) {
        check_flip(&plan, bit / 8, (unsigned char)(1u << bit % 8));
    }
    CHECK_CASE("every other value of the first byte is caught");
    for (unsigned int flip = 1; flip < 256; flip += 2) {
        check_flip(&plan, 0, (unsigned char)flip);
    }
}

static void test_bins(void)
{
    CHECK_CASE("in every bin, slots of 8 bytes too, an overwritten first byte is caught");
    if (!has_free_checks()) {
        return;
    }
    for (int bin = 0; bin < ZEND_MM_BIN_COUNT; bin++) {
        damage plan = new_damage(unknown(zend_mm_bin_infos[bin].slot_size));
        check_flip(&plan, 0, 0xff);
        check_flip(&plan, 1, 0x80);
    }
}

static void pop_constant(size_t size)
{
    (void)size;
    popped = _emalloc_112();
}

static void pop_in_heap(size_t size)
{
    popped = zend_mm_alloc(zend_mm_get_heap(), size);
}

static void try_pop_in_heap(size_t size)
{
    popped = zend_mm_try_alloc(zend_mm_get_heap(), size);
}

static void move_there(size_t size)
{
    popped = erealloc(emalloc(unknown(1000)), size);
}

static void collect(size_t size)
{
    (void)size;
    (void)zend_mm_gc(zend_mm_get_heap());
}

static void renew_key(size_t size)
{
    (void)size;
    refresh_memory_manager();
}

static void collect_it(void *unused)
{
    (void)unused;
    collect(0);
}

/* What nobody can write who does not know the key. */
static void test_forged_link(void)
{
    CHECK_CASE("a gc does not follow a link that leads out of the heap");
    static zend_mm_slot outside;
    damage plan = new_damage(unknown(100));
    zend_mm_slot *slot = (zend_mm_slot *)(void *)plan.slot;
    uintptr_t kept = slot->link;
    slot->link = zend_mm_link_encode(&outside, zend_mm_get_heap()->link_key);
    check_panic(collect_it, NULL, OVERWRITTEN, &outside, (int)zend_mm_bin_of(100));
    CHECK_CASE("nor one that leads to a block that is no slot of the bin");
    void *const others[] = { emalloc(unknown(100000)), emalloc(unknown(3000)) };
    for (size_t index = 0; index < 2; index++) {
        slot->link = zend_mm_link_encode(others[index], zend_mm_get_heap()->link_key);
        check_panic(collect_it, NULL, OVERWRITTEN, others[index], (int)zend_mm_bin_of(100));
    }
    slot->link = kept;
}

static void test_every_pop(void)
{
    CHECK_CASE("every way to take a slot catches an overwritten one");
    if (!has_free_checks()) {
        return;
    }
    void (*const ways[])(size_t) = { pop_constant, pop_in_heap, try_pop_in_heap, move_there };
    damage plan = new_damage(unknown(100));
    for (size_t index = 0; index < 4; index++) {
        plan.use = ways[index];
        check_flip(&plan, 0, 0xff);
    }
    CHECK_CASE("a gc catches an overwritten slot");
    plan.use = collect;
    check_flip(&plan, 0, 0xff);
    CHECK_CASE("a new key for the links catches an overwritten slot");
    plan.use = renew_key;
    check_flip(&plan, 0, 0xff);
}

static void test_last_slot(void)
{
    CHECK_CASE("an overwritten link of the last free slot is caught");
    if (!has_free_checks()) {
        return;
    }
    end_request();
    damage plan = { .size = unknown(100), .use = pop };
    plan.slot = free_both(NULL, emalloc(plan.size), plan.size);
    check_flip(&plan, 0, 0x80);
    check_flip(&plan, 1, 0x01);
}

/* The usual accident: a string that is written over the end of its block. */
static void write_over_the_end(void *arg)
{
    damage *plan = arg;
    memset(plan->slot - plan->size, 'x', plan->size + 8);
    plan->use(plan->size);
}

/* The order of new slots may be random; among so many there are two neighbours. */
static void *new_slot_behind_another(size_t size)
{
    void *slots[36];
    for (int index = 0; index < 36; index++) {
        slots[index] = emalloc(size);
        for (int other = 0; other < index; other++) {
            if (slots[index] == at(slots[other], (ptrdiff_t)size)) {
                return slots[index];
            }
        }
    }
    return NULL;
}

static void test_overflow(void)
{
    CHECK_CASE("text written over the end of a block into a free slot is caught");
    if (!has_free_checks()) {
        return;
    }
    uintptr_t text;
    memset(&text, 'x', sizeof text);
    /* The request's key decides what the text decodes to; one key in a million lets it pass. */
    do {
        end_request();
    } while (((text ^ zend_mm_get_heap()->link_key) & ZEND_MM_LINK_INVALID) == 0);
    damage plan = { .size = unknown(112), .use = pop };
    void *behind = new_slot_behind_another(plan.size);
    if (!CHECK(behind != NULL)) {
        return;
    }
    plan.slot = free_both(NULL, behind, plan.size);
    CHECK(plan.slot == behind);
    check_panic(write_over_the_end, &plan, OVERWRITTEN, plan.slot, 10);
}

int main(void)
{
    begin_memory_manager();
    test_flips();
    test_bins();
    test_every_pop();
    test_forged_link();
    test_last_slot();
    test_overflow();
    return check_summary();
}
