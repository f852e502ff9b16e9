/* Asks others, and remembers what they answered. It replies to whoever asks it before the answer has come: that comes later, to
 * airs_on_callback, in a turn of its own.
 *
 *   ask NAME TEXT             asks the deployment NAME of its own namespace; replies the request's id
 *   ask-within MS NAME TEXT   the same, with another timeout than 5 seconds
 *   cancel ID                 waits for that answer no longer
 *   tell NAME,NAME TEXT       sends TEXT to all of them
 *   answers                   says what came back, the oldest first
 *   who                       says who it is          echo TEXT   replies TEXT          crash   traps */
#include "airs.h"

enum { TIMEOUT_MS = 5000, LINES_MAX = 16, LINE_MAX = 160, TELL_MAX = 300 };

static const airs_bytes operations[] = {
    AIRS_CONSTANT("ask NAME TEXT"), AIRS_CONSTANT("ask-within MS NAME TEXT"), AIRS_CONSTANT("cancel ID"),
    AIRS_CONSTANT("tell NAME,NAME TEXT"), AIRS_CONSTANT("answers"), AIRS_CONSTANT("who"), AIRS_CONSTANT("echo TEXT")};
const airs_metadata airs_about = {
    .name = AIRS_CONSTANT("desk"),
    .version = AIRS_CONSTANT("1.0.0"),
    .description = AIRS_CONSTANT("Asks others, and remembers what they answered"),
    .author = AIRS_CONSTANT("The airs authors"),
    .license = AIRS_CONSTANT("Apache-2.0"),
    .operations = operations,
    .operation_count = sizeof operations / sizeof *operations,
    .stateful = false,
};

static uint8_t lines[LINES_MAX][LINE_MAX]; /* outlives the calls, unlike what airs_join makes */
static size_t sizes[LINES_MAX], count;

static airs_result fail(airs_bytes why) { return AIRS_FAIL(AIRS_RUNTIME_ERROR, why); }

static airs_bytes until(airs_bytes *text, uint8_t end) {
    size_t size = 0;
    while (size < text->size && text->data[size] != end) size++;
    airs_bytes word = {text->data, size};
    size_t skipped = size < text->size ? size + 1 : size;
    *text = (airs_bytes){text->data + skipped, text->size - skipped};
    return word;
}

static airs_id beside(airs_bytes name) {
    airs_id own = airs_self_id();
    return (airs_id){own.space, name, AIRS_NOTHING};
}

static airs_result ask(airs_bytes text, uint64_t timeout_ms) {
    airs_bytes name = until(&text, ' '), id;
    airs_optional_bytes problem = airs_request(beside(name), text, timeout_ms, &id);
    return problem.present ? fail(problem.value) : AIRS_REPLY(id);
}

static airs_result ask_within(airs_bytes text) {
    uint64_t timeout_ms;
    if (!airs_parse_decimal(until(&text, ' '), &timeout_ms)) return fail(AIRS_TEXT("MS is a whole number"));
    return ask(text, timeout_ms);
}

static airs_result tell(airs_bytes text) {
    airs_bytes names = until(&text, ' ');
    airs_id targets[TELL_MAX];
    size_t found = 0;
    while (names.size && found < TELL_MAX) targets[found++] = beside(until(&names, ','));
    airs_optional_bytes problem = airs_broadcast(targets, found, text);
    return problem.present ? fail(problem.value) : AIRS_REPLY(AIRS_TEXT("told"));
}

static airs_result cancel(airs_bytes id) {
    airs_optional_bytes problem = airs_cancel_request(id);
    return problem.present ? fail(problem.value) : AIRS_REPLY(AIRS_TEXT("cancelled"));
}

static airs_result answers(void) {
    airs_bytes all = AIRS_NOTHING;
    for (size_t number = count > LINES_MAX ? count - LINES_MAX : 0; number < count; number++) {
        airs_bytes line = {lines[number % LINES_MAX], sizes[number % LINES_MAX]};
        all = AIRS_JOIN(all, line, AIRS_TEXT("\n"));
    }
    return AIRS_REPLY(all);
}

airs_result airs_on_callback(const airs_message *answer) {
    airs_bytes line = answer->sender.name, said = airs_printable(answer->payload, LINE_MAX);
    switch (airs_outcome_of(answer)) {
    case AIRS_REPLIED: line = AIRS_JOIN(line, AIRS_TEXT(" replied "), said); break;
    case AIRS_REPLIED_NOTHING: line = AIRS_JOIN(line, AIRS_TEXT(" replied nothing")); break;
    case AIRS_FAILED: line = AIRS_JOIN(line, AIRS_TEXT(" failed, "), said); break;
    }
    airs_log(AIRS_INFO, line, NULL, 0);
    size_t size = line.size < LINE_MAX ? line.size : LINE_MAX;
    __builtin_memcpy(lines[count % LINES_MAX], line.data, size);
    sizes[count++ % LINES_MAX] = size;
    if (airs_equal(said, AIRS_TEXT("crash"))) __builtin_trap();
    if (airs_equal(said, AIRS_TEXT("refuse"))) return fail(AIRS_TEXT("it does not like that answer"));
    return AIRS_OK;
}

airs_result airs_on_message(const airs_message *message) {
    airs_bytes asked = message->payload, rest;
    if (airs_after(asked, AIRS_TEXT("ask "), &rest)) return ask(rest, TIMEOUT_MS);
    if (airs_after(asked, AIRS_TEXT("ask-within "), &rest)) return ask_within(rest);
    if (airs_after(asked, AIRS_TEXT("cancel "), &rest)) return cancel(rest);
    if (airs_after(asked, AIRS_TEXT("tell "), &rest)) return tell(rest);
    if (airs_after(asked, AIRS_TEXT("echo "), &rest)) return AIRS_REPLY(rest);
    if (airs_equal(asked, AIRS_TEXT("answers"))) return answers();
    if (airs_equal(asked, AIRS_TEXT("crash"))) __builtin_trap();
    if (!airs_equal(asked, AIRS_TEXT("who"))) return fail(AIRS_TEXT("try ask NAME TEXT, answers or who"));
    airs_id own = airs_self_id();
    return AIRS_REPLY(AIRS_JOIN(own.space, AIRS_TEXT("/"), own.name, AIRS_TEXT("/"), own.instance));
}
