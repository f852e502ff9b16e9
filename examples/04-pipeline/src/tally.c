/* Counts what is published, by topic, for as long as it lives. It subscribes by itself: to `orders.*` from its first breath,
 * and to other topics when it is told to.
 *
 *   show               says how many messages it heard on each topic, and the last one
 *   listen PATTERN     subscribes to more, within its grant
 *   ignore PATTERN     no longer listens to what it subscribed to so
 *
 * Anything that was published is counted, whatever it says. */
#include "airs.h"

enum { TOPICS_MAX = 8, TEXT_MAX = 80 };

static const airs_bytes operations[] = {AIRS_CONSTANT("show"), AIRS_CONSTANT("listen PATTERN"), AIRS_CONSTANT("ignore PATTERN")};
const airs_metadata airs_about = {
    .name = AIRS_CONSTANT("tally"),
    .version = AIRS_CONSTANT("1.0.0"),
    .description = AIRS_CONSTANT("Counts what is published, by topic"),
    .author = AIRS_CONSTANT("The airs authors"),
    .license = AIRS_CONSTANT("Apache-2.0"),
    .operations = operations,
    .operation_count = sizeof operations / sizeof *operations,
    .stateful = true,
};

typedef struct { /* outlives the calls, unlike what airs_join makes */
    uint8_t bytes[TEXT_MAX];
    size_t size;
} text;

static struct {
    text topic, last;
    uint64_t heard;
} topics[TOPICS_MAX];
static size_t topic_count;

static void keep(text *kept, airs_bytes bytes) {
    airs_bytes shown = airs_printable(bytes, TEXT_MAX);
    __builtin_memcpy(kept->bytes, shown.data, shown.size);
    kept->size = shown.size;
}

static airs_bytes bytes_of(const text *kept) { return (airs_bytes){kept->bytes, kept->size}; }

static airs_result count(airs_bytes topic, airs_bytes payload) {
    size_t at = 0;
    while (at < topic_count && !airs_equal(bytes_of(&topics[at].topic), topic)) at++;
    if (at == TOPICS_MAX) return AIRS_FAIL(AIRS_RUNTIME_ERROR, AIRS_TEXT("no room for another topic"));
    if (at == topic_count) keep(&topics[topic_count++].topic, topic);
    topics[at].heard++;
    keep(&topics[at].last, payload);
    return AIRS_NO_REPLY;
}

static airs_result show(void) {
    airs_bytes lines = AIRS_NOTHING;
    for (size_t i = 0; i < topic_count; i++)
        lines = AIRS_JOIN(lines, i ? AIRS_TEXT("\n") : AIRS_NOTHING, bytes_of(&topics[i].topic), AIRS_TEXT(": "),
                          airs_decimal(topics[i].heard), AIRS_TEXT(", last "), bytes_of(&topics[i].last));
    return AIRS_REPLY(topic_count ? lines : AIRS_TEXT("nothing yet"));
}

static airs_result outcome(airs_optional_bytes problem) {
    return problem.present ? AIRS_FAIL(AIRS_RUNTIME_ERROR, problem.value) : AIRS_REPLY(AIRS_TEXT("so be it"));
}

airs_result airs_on_initialize(const airs_config *config) {
    (void)config;
    airs_optional_bytes problem = airs_subscribe(AIRS_TEXT("orders.*"));
    return problem.present ? AIRS_FAIL(AIRS_INITIALIZATION_FAILED, problem.value) : AIRS_OK;
}

airs_result airs_on_message(const airs_message *message) {
    airs_optional_bytes topic = airs_current_topic();
    if (topic.present) return count(topic.value, message->payload);
    airs_bytes pattern;
    if (airs_equal(message->payload, AIRS_TEXT("show"))) return show();
    if (airs_after(message->payload, AIRS_TEXT("listen "), &pattern)) return outcome(airs_subscribe(airs_printable(pattern, TEXT_MAX)));
    if (airs_after(message->payload, AIRS_TEXT("ignore "), &pattern)) return outcome(airs_unsubscribe(airs_printable(pattern, TEXT_MAX)));
    return AIRS_FAIL(AIRS_RUNTIME_ERROR, AIRS_TEXT("show, listen PATTERN or ignore PATTERN"));
}
