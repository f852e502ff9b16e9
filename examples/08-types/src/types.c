/* The canonical ABI of example:types/types by hand: each export takes its parameter flattened, and returns a number or
 * the address of what it is given, laid out as WIT says. Core signatures are those that
 * `wasm-tools component embed --dummy-names legacy -t` prints. */
#include "airs.h"

#define VALUES "example:types/values@1.0.0"
#define COUNTERS "example:types/counters@1.0.0"
#define EXPORT(interface, function) __attribute__((export_name(interface "#" function)))
/* Exported beside each function that was given, or returns, something from the arena. */
#define EMPTIES_ARENA(interface, function) \
    __attribute__((export_name("cabi_post_" interface "#" function))) void

void airs_empty_arena(void);

/* ---- what fits a register ---- */

#define ECHO(name, type) \
    EXPORT(VALUES, "echo-" #name) type echo_##name(type value) { return value; }

ECHO(bool, uint32_t)
ECHO(u8, uint32_t)
ECHO(s8, int32_t)
ECHO(u16, uint32_t)
ECHO(s16, int32_t)
ECHO(u32, uint32_t)
ECHO(s32, int32_t)
ECHO(u64, uint64_t)
ECHO(s64, int64_t)
ECHO(f32, float)
ECHO(f64, double)
ECHO(char, uint32_t)
ECHO(enum, uint32_t)
ECHO(flags, uint32_t)

/* ---- what consists of words: given one by one, returned as they lie in memory ---- */

static uint32_t words[5];

#define ECHO_LIST(name, word)                                                                   \
    EXPORT(VALUES, "echo-" name) uint32_t *echo_##word(uint32_t data, uint32_t size) {          \
        words[0] = data, words[1] = size;                                                       \
        return words;                                                                           \
    }                                                                                           \
    EMPTIES_ARENA(VALUES, "echo-" name) after_##word(const void *value) { (void)value, airs_empty_arena(); }

ECHO_LIST("string", string)
ECHO_LIST("bytes", bytes)
ECHO_LIST("list", list)
ECHO_LIST("results", results)

static uint32_t *three(uint32_t first, uint32_t second, uint32_t third) {
    words[0] = first, words[1] = second, words[2] = third;
    return words;
}

EXPORT(VALUES, "echo-tuple") uint32_t *echo_tuple(uint32_t number, uint32_t data, uint32_t size) {
    return three(number, data, size);
}
EMPTIES_ARENA(VALUES, "echo-tuple") after_tuple(const void *value) { (void)value, airs_empty_arena(); }

EXPORT(VALUES, "echo-option") uint32_t *echo_option(uint32_t present, uint32_t value) {
    return three(present, value, 0);
}

EXPORT(VALUES, "echo-nested-option") uint32_t *echo_nested(uint32_t outer, uint32_t inner, uint32_t value) {
    return three(outer, inner, value);
}

/* `first` holds the number, or the text's address; `second` its size. */
EXPORT(VALUES, "echo-result") uint32_t *echo_result(uint32_t failed, uint32_t first, uint32_t second) {
    return three(failed, first, second);
}
EMPTIES_ARENA(VALUES, "echo-result") after_result(const void *value) { (void)value, airs_empty_arena(); }

EXPORT(VALUES, "echo-record")
uint32_t *echo_record(uint32_t name, uint32_t name_size, uint32_t price, uint32_t tags, uint32_t tag_count) {
    three(name, name_size, price);
    words[3] = tags, words[4] = tag_count;
    return words;
}
EMPTIES_ARENA(VALUES, "echo-record") after_record(const void *value) { (void)value, airs_empty_arena(); }

typedef struct {
    uint64_t which;
    union {
        uint64_t radius;
        airs_bytes name;
    };
} shape;

_Static_assert(sizeof(shape) == 16 && offsetof(shape, name) == 8, "variant shape");

/* `first` holds the radius' bits, or the name's address. */
EXPORT(VALUES, "echo-variant") shape *echo_variant(uint32_t which, uint64_t first, uint32_t size) {
    static shape answer;
    answer = (shape){.which = which, .radius = first};
    if (which == 2) answer.name = (airs_bytes){(const uint8_t *)(uintptr_t)first, size};
    return &answer;
}
EMPTIES_ARENA(VALUES, "echo-variant") after_variant(const void *value) { (void)value, airs_empty_arena(); }

typedef struct {
    airs_bytes name;
    uint32_t price;
    const airs_bytes *tags;
    size_t tag_count;
} item;

EXPORT(VALUES, "total")
uint64_t total(uint32_t times, const uint8_t *customer, size_t customer_size, const item *items, size_t count) {
    uint64_t sum = 0;
    (void)customer, (void)customer_size;
    for (size_t i = 0; i < count; i++) sum += items[i].price;
    airs_empty_arena(); /* a number is returned, so that the host does not say when it is done */
    return sum * times;
}

/* ---- resources: a handle of the host stands for a number of ours, here a place in `held` ---- */

#define MOST 4096
#define IMPORTED(resource, function) \
    __attribute__((import_module("[export]" COUNTERS), import_name("[resource-" function "]" resource)))

IMPORTED("counter", "new") uint32_t counter_handle(uint32_t place);
IMPORTED("counter", "rep") uint32_t counter_place(uint32_t handle);
IMPORTED("counter", "drop") void counter_drop(uint32_t handle);
IMPORTED("tally", "new") uint32_t tally_handle(uint32_t place);

static struct {
    bool is_taken;
    uint64_t value;
} held[MOST];

static uint32_t living;

static uint32_t take(uint64_t value) {
    for (uint32_t place = 0; place < MOST; place++) {
        if (held[place].is_taken) continue;
        held[place].is_taken = true, held[place].value = value;
        living++;
        return place;
    }
    __builtin_trap();
}

static void give_back(uint32_t place) {
    held[place].is_taken = false;
    living--;
}

EXPORT(COUNTERS, "[dtor]counter") void counter_gone(uint32_t place) { give_back(place); }
EXPORT(COUNTERS, "[dtor]tally") void tally_gone(uint32_t place) { give_back(place); }

EXPORT(COUNTERS, "[constructor]counter") uint32_t counter_new(uint64_t start) { return counter_handle(take(start)); }
EXPORT(COUNTERS, "[constructor]tally") uint32_t tally_new(void) { return tally_handle(take(0)); }

EXPORT(COUNTERS, "[method]counter.add") uint64_t counter_add(uint32_t place, uint64_t by) {
    return held[place].value += by;
}

EXPORT(COUNTERS, "[method]counter.value") uint64_t counter_value(uint32_t place) { return held[place].value; }

EXPORT(COUNTERS, "[static]counter.merge") uint32_t counter_merge(uint32_t one, uint32_t other) {
    uint64_t sum = held[counter_place(one)].value + held[counter_place(other)].value;
    counter_drop(one), counter_drop(other); /* they were given to us, so that we drop them */
    return counter_handle(take(sum));
}

EXPORT(COUNTERS, "total") uint64_t counters_total(const uint32_t *places, size_t count) {
    uint64_t sum = 0;
    for (size_t i = 0; i < count; i++) sum += held[places[i]].value;
    airs_empty_arena();
    return sum;
}

EXPORT(COUNTERS, "several") uint32_t *several(uint32_t count) {
    if (count > MOST) __builtin_trap();
    uint32_t *handles = airs_alloc(count * sizeof *handles, sizeof *handles);
    for (uint32_t i = 0; i < count; i++) handles[i] = counter_handle(take(i));
    words[0] = (uint32_t)(uintptr_t)handles, words[1] = count;
    return words;
}
EMPTIES_ARENA(COUNTERS, "several") after_several(const void *value) { (void)value, airs_empty_arena(); }

typedef struct { /* result<u64, string> */
    uint64_t failed;
    union {
        uint64_t value;
        airs_bytes problem;
    };
} cashed;

EXPORT(COUNTERS, "cash") cashed *cash(uint32_t counter) {
    static cashed answer;
    uint64_t value = held[counter_place(counter)].value;
    counter_drop(counter);
    answer = (cashed){.failed = value == 0, .value = value};
    if (value == 0) answer.problem = AIRS_TEXT("it has not counted");
    return &answer;
}
EMPTIES_ARENA(COUNTERS, "cash") after_cash(const void *value) { (void)value, airs_empty_arena(); }

EXPORT(COUNTERS, "living") uint32_t counters_living(void) { return living; }
