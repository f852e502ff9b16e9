/* Answers, and has a copy kept where its config names a deployment as `copies`.
 *
 *   square N      replies N times N        wait MS TEXT   replies TEXT, after a while        say TEXT   replies TEXT
 *   nothing       has no reply             refuse         answers with an error              crash      traps
 *   anything else is kept; `kept` says how much that is */
#include "airs.h"

static const airs_bytes operations[] = {
    AIRS_CONSTANT("square N"), AIRS_CONSTANT("wait MS TEXT"), AIRS_CONSTANT("say TEXT"), AIRS_CONSTANT("nothing"),
    AIRS_CONSTANT("refuse"), AIRS_CONSTANT("crash"), AIRS_CONSTANT("kept")};
const airs_metadata airs_about = {
    .name = AIRS_CONSTANT("clerk"),
    .version = AIRS_CONSTANT("1.0.0"),
    .description = AIRS_CONSTANT("Answers whoever asks"),
    .author = AIRS_CONSTANT("The airs authors"),
    .license = AIRS_CONSTANT("Apache-2.0"),
    .operations = operations,
    .operation_count = sizeof operations / sizeof *operations,
    .stateful = false,
};

static airs_optional_bytes copies;
static uint64_t kept;

airs_result airs_on_initialize(const airs_config *config) {
    for (size_t index = 0; index < config->env_var_count; index++)
        if (airs_equal(config->env_vars[index].name, AIRS_TEXT("copies")))
            copies = (airs_optional_bytes){true, config->env_vars[index].value};
    airs_keep();
    return AIRS_OK;
}

static airs_result fail(airs_bytes why) { return AIRS_FAIL(AIRS_RUNTIME_ERROR, why); }

static airs_result answer(airs_bytes text) {
    if (copies.present) {
        airs_id own = airs_self_id();
        airs_optional_bytes problem = airs_send((airs_id){own.space, copies.value, AIRS_NOTHING}, text);
        if (problem.present) airs_log(AIRS_WARN, problem.value, NULL, 0);
    }
    return AIRS_REPLY(text);
}

static airs_result square(airs_bytes digits) {
    uint64_t number;
    if (!airs_parse_decimal(digits, &number) || number > UINT32_MAX)
        return fail(AIRS_TEXT("square takes a whole number below 2^32"));
    return answer(airs_decimal(number * number));
}

static airs_result wait(airs_bytes text) {
    size_t digits = 0;
    uint64_t milliseconds;
    while (digits < text.size && text.data[digits] != ' ') digits++;
    if (!airs_parse_decimal((airs_bytes){text.data, digits}, &milliseconds)) return fail(AIRS_TEXT("wait takes MS TEXT"));
    airs_sleep_millis(milliseconds);
    size_t skipped = digits < text.size ? digits + 1 : digits;
    return answer((airs_bytes){text.data + skipped, text.size - skipped});
}

airs_result airs_on_message(const airs_message *message) {
    airs_bytes asked = message->payload, rest;
    if (airs_after(asked, AIRS_TEXT("square "), &rest)) return square(rest);
    if (airs_after(asked, AIRS_TEXT("wait "), &rest)) return wait(rest);
    if (airs_after(asked, AIRS_TEXT("say "), &rest)) return answer(rest);
    if (airs_equal(asked, AIRS_TEXT("nothing"))) return AIRS_NO_REPLY;
    if (airs_equal(asked, AIRS_TEXT("refuse"))) return fail(AIRS_TEXT("not today"));
    if (airs_equal(asked, AIRS_TEXT("crash"))) __builtin_trap();
    if (airs_equal(asked, AIRS_TEXT("kept"))) return AIRS_REPLY(airs_decimal(kept));
    kept++;
    return AIRS_NO_REPLY;
}
