/* Fails on demand. Each instance counts the messages that it was given itself, so that the count tells a new instance from an old one.
 *
 *   crash        traps                            hang         computes until its deadline ends it
 *   health WORD  says healthy, degraded or unhealthy of itself from now on
 *   cling        does not end when it is told to, until it is killed
 *   anything else is answered with the count */
#include "airs.h"

enum { SHOWN_MAX = 40 };

static const airs_bytes operations[] = {
    AIRS_CONSTANT("crash"), AIRS_CONSTANT("hang"), AIRS_CONSTANT("health WORD"), AIRS_CONSTANT("cling"),
    AIRS_CONSTANT("count")};
const airs_metadata airs_about = {
    .name = AIRS_CONSTANT("worker"),
    .version = AIRS_CONSTANT("1.0.0"),
    .description = AIRS_CONSTANT("Fails on demand"),
    .author = AIRS_CONSTANT("The airs authors"),
    .license = AIRS_CONSTANT("Apache-2.0"),
    .operations = operations,
    .operation_count = sizeof operations / sizeof *operations,
    .stateful = false,
};

static enum airs_health condition = AIRS_HEALTHY;
static bool clings;
static uint64_t count;
static volatile uint32_t rounds;

_Noreturn static void compute_for_ever(void) {
    for (;;) rounds++;
}

static airs_result set_health(airs_bytes word) {
    if (airs_equal(word, AIRS_TEXT("healthy"))) condition = AIRS_HEALTHY;
    else if (airs_equal(word, AIRS_TEXT("degraded"))) condition = AIRS_DEGRADED;
    else if (airs_equal(word, AIRS_TEXT("unhealthy"))) condition = AIRS_UNHEALTHY;
    else {
        airs_bytes shown = airs_printable(word, SHOWN_MAX);
        return AIRS_FAIL(AIRS_RUNTIME_ERROR, AIRS_JOIN(AIRS_TEXT("health is healthy, degraded or unhealthy, not `"), shown, AIRS_TEXT("`")));
    }
    return AIRS_REPLY(AIRS_JOIN(AIRS_TEXT("says "), word, AIRS_TEXT(" from now on")));
}

airs_result airs_on_message(const airs_message *message) {
    airs_bytes asked = message->payload, word;
    count++;
    if (airs_equal(asked, AIRS_TEXT("crash"))) __builtin_trap();
    if (airs_equal(asked, AIRS_TEXT("hang"))) compute_for_ever();
    if (airs_after(asked, AIRS_TEXT("health "), &word)) return set_health(word);
    clings = clings || airs_equal(asked, AIRS_TEXT("cling"));
    return AIRS_REPLY(AIRS_JOIN(AIRS_TEXT("message "), airs_decimal(count), AIRS_TEXT(" of this instance")));
}

airs_result airs_on_shutdown(void) {
    if (clings) compute_for_ever();
    airs_log(AIRS_INFO, AIRS_TEXT("ends as it was told to"), NULL, 0);
    return AIRS_OK;
}

enum airs_health airs_on_health(void) { return condition; }
