/* Counts, and keeps the count where it survives the instance: every message reads it from storage and writes it back, and
 * nothing is remembered in between. Built twice, with VERSION_MINOR 0 and 1 (and VERSION to match): 1.0.0 replies `3`, 1.1.0 `count=3`.
 *
 *   add N      adds N            increment, or nothing   adds 1
 *   get        says the count    crash                   traps, before it touches anything */
#include "airs.h"

#if VERSION_MINOR == 0
#define LABEL ""
#else
#define LABEL "count="
#endif

enum { QUOTED_OPERATION_MAX = 40 };

static const airs_bytes operations[] = {
    AIRS_CONSTANT("add N"), AIRS_CONSTANT("increment"), AIRS_CONSTANT("get"), AIRS_CONSTANT("crash")};
const airs_metadata airs_about = {
    .name = AIRS_CONSTANT("counter"),
    .version = AIRS_CONSTANT(VERSION),
    .description = AIRS_CONSTANT("Counts, and keeps the count in storage"),
    .author = AIRS_CONSTANT("The airs authors"),
    .license = AIRS_CONSTANT("Apache-2.0"),
    .operations = operations,
    .operation_count = sizeof operations / sizeof *operations,
    .stateful = true,
};

static const airs_bytes key = AIRS_CONSTANT("count");

static airs_result fail(airs_bytes why) { return AIRS_FAIL(AIRS_RUNTIME_ERROR, why); }
static airs_result reply(uint64_t count) { return AIRS_REPLY(AIRS_JOIN(AIRS_TEXT(LABEL), airs_decimal(count))); }

static airs_result add(uint64_t amount) {
    airs_result stored = airs_storage_get(key);
    if (stored.failed) return fail(AIRS_JOIN(AIRS_TEXT("cannot read the count: "), airs_storage_problem(stored)));
    uint64_t count = 0;
    if (stored.which && !airs_parse_decimal(stored.data, &count)) return fail(AIRS_TEXT("the stored count is not a number"));
    if (amount == 0) return reply(count);
    if (__builtin_add_overflow(count, amount, &count)) return fail(AIRS_TEXT("the count would pass 2^64 - 1"));
    airs_result written = airs_storage_set(key, airs_decimal(count));
    if (written.failed) return fail(AIRS_JOIN(AIRS_TEXT("cannot write the count: "), airs_storage_problem(written)));
    return reply(count);
}

airs_result airs_on_message(const airs_message *message) {
    airs_bytes asked = message->payload, amount;
    uint64_t number;
    if (asked.size == 0 || airs_equal(asked, AIRS_TEXT("increment"))) return add(1);
    if (airs_equal(asked, AIRS_TEXT("get"))) return add(0);
    if (airs_equal(asked, AIRS_TEXT("crash"))) __builtin_trap();
    if (!airs_after(asked, AIRS_TEXT("add "), &amount)) {
        airs_bytes shown = airs_printable(asked, QUOTED_OPERATION_MAX);
        return fail(AIRS_JOIN(AIRS_TEXT("unknown operation `"), shown, AIRS_TEXT("`; try add N, increment, get or crash")));
    }
    if (!airs_parse_decimal(amount, &number)) return fail(AIRS_TEXT("add takes a whole number, 0 to 2^64 - 1"));
    return add(number);
}
