/* Greets whoever a message names. Built three times, with VERSION 1.0.0, 1.1.0 and 1.2.0 and
 * VERSION_MINOR 0, 1 and 2:
 *
 *   1.0.0  says `Hello, Ada!`
 *   1.1.0  says `Good day, Ada! (hello 1.1.0)`
 *   1.2.0  is the bad one: like 1.1.0, but it fails one request in five. Which one depends on the payload alone, so
 *          every instance fails the same ones. */
#include "airs.h"

#if VERSION_MINOR == 0
#define GREETING "Hello, "
#define ENDING "!"
#else
#define GREETING "Good day, "
#define ENDING "! (hello " VERSION ")"
#endif

enum { NAME_MAX = AIRS_MESSAGE_MAX - sizeof(GREETING ENDING), LOGGED_NAME_MAX = 80 };

static const airs_bytes operations[] = {AIRS_CONSTANT("NAME")};
const airs_metadata airs_about = {
    .name = AIRS_CONSTANT("hello"),
    .version = AIRS_CONSTANT(VERSION),
    .description = AIRS_CONSTANT("Greets whoever a message names"),
    .author = AIRS_CONSTANT("The airs authors"),
    .license = AIRS_CONSTANT("Apache-2.0"),
    .operations = operations,
    .operation_count = 1,
    .stateful = false,
};

#if VERSION_MINOR == 2
/* FNV-1a, 32 bits. */
static uint32_t hash(airs_bytes bytes) {
    uint32_t value = 2166136261u;
    for (size_t i = 0; i < bytes.size; i++) value = (value ^ bytes.data[i]) * 16777619u;
    return value;
}

static bool refuses(airs_bytes payload) { return hash(payload) % 5 == 0; }
#else
static bool refuses(airs_bytes payload) {
    (void)payload;
    return false;
}
#endif

airs_result airs_on_message(const airs_message *message) {
    airs_bytes name = message->payload.size ? message->payload : AIRS_TEXT("world");
    airs_bytes shown = airs_printable(name, LOGGED_NAME_MAX);
    if (refuses(message->payload)) {
        airs_log(AIRS_ERROR, AIRS_JOIN(AIRS_TEXT("cannot greet "), shown), NULL, 0);
        return AIRS_FAIL(AIRS_RUNTIME_ERROR, AIRS_JOIN(AIRS_TEXT("hello " VERSION " cannot greet "), shown));
    }
    airs_log(AIRS_INFO, AIRS_JOIN(AIRS_TEXT("greeting "), shown), NULL, 0);
    if (name.size > NAME_MAX) name.size = NAME_MAX; /* a reply has a limit too */
    return AIRS_REPLY(AIRS_JOIN(AIRS_TEXT(GREETING), name, AIRS_TEXT(ENDING)));
}
