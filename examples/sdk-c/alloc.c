/* One arena for everything that lives as long as a call: bumped by cabi_realloc and airs_alloc, emptied by each
 * cabi_post_… function. It grows to the largest call ever seen and stays there. */
#include "airs.h"

#define PAGE 65536u

extern uint8_t __heap_base;

static uintptr_t base; /* what an empty arena starts at; 0 until first used */
static uintptr_t top;  /* the first free byte */

static void reserve(uintptr_t end) {
    uintptr_t have = (uintptr_t)__builtin_wasm_memory_size(0) * PAGE;
    if (end <= have) return;
    if (__builtin_wasm_memory_grow(0, (end - have + PAGE - 1) / PAGE) == (size_t)-1) __builtin_trap();
}

void *airs_alloc(size_t size, size_t alignment) {
    if (base == 0) base = top = (uintptr_t)&__heap_base;
    uintptr_t start = (top + alignment - 1) & ~(uintptr_t)(alignment - 1);
    uintptr_t end;
    /* The last page is never handed out, so that rounding up to a page cannot overflow either. */
    if (start < top || __builtin_add_overflow(start, size, &end) || end > UINT32_MAX - PAGE) __builtin_trap();
    reserve(end);
    top = end;
    return (void *)start;
}

void airs_keep(void) { base = top; }

void airs_empty_arena(void) { top = base; }

/* Called by the host for every string and list it hands in. Shrinking returns the same block: the host relies on it. */
__attribute__((export_name("cabi_realloc")))
void *cabi_realloc(void *old, size_t old_size, size_t alignment, size_t new_size) {
    if (old_size == 0) return airs_alloc(new_size, alignment);
    if (new_size <= old_size) return old;
    if ((uintptr_t)old + old_size == top && ((uintptr_t)old & (alignment - 1)) == 0) {
        airs_alloc(new_size - old_size, 1); /* the block is the last one: it grows where it is */
        return old;
    }
    return __builtin_memcpy(airs_alloc(new_size, alignment), old, old_size);
}
