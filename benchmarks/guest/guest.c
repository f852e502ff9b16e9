/* The actor that the benchmarks measure. A message is echoed unless it begins with `!`, which makes it an order:
 *
 *   !count …            is counted, without a reply          !counted          how many were
 *   !log N TEXT         N lines in the log                   !send N TO TEXT   N messages to default/TO
 *   !get N KEY          N times the stored value             !set N KEY VALUE  N times stored
 *   !spin N             computes for N rounds                !sleep MS         waits
 *
 * N host calls in one message, so that what one of them takes can be told from what the message takes. They answer how
 * many of them the host refused. */
#include "airs.h"

static const airs_bytes operations[] = {AIRS_CONSTANT("see benchmarks/guest/guest.c")};
const airs_metadata airs_about = {
    .name = AIRS_CONSTANT("guest"),
    .version = AIRS_CONSTANT("1.0.0"),
    .description = AIRS_CONSTANT("What the benchmarks measure"),
    .author = AIRS_CONSTANT("The airs authors"),
    .license = AIRS_CONSTANT("Apache-2.0"),
    .operations = operations,
    .operation_count = 1,
    .stateful = false,
};

static uint64_t counted;

static airs_bytes cut(airs_bytes *rest) {
    airs_bytes word = {rest->data, 0};
    while (word.size < rest->size && rest->data[word.size] != ' ') word.size++;
    size_t skipped = word.size < rest->size ? word.size + 1 : word.size;
    *rest = (airs_bytes){rest->data + skipped, rest->size - skipped};
    return word;
}

static uint64_t number(airs_bytes written) {
    uint64_t value;
    if (!airs_parse_decimal(written, &value)) __builtin_trap();
    return value;
}

static airs_result shown(uint64_t value) { return AIRS_REPLY(airs_decimal(value)); }

static airs_result count(airs_bytes rest) {
    (void)rest;
    counted++;
    return AIRS_NO_REPLY;
}

static airs_result count_so_far(airs_bytes rest) {
    (void)rest;
    return shown(counted);
}

static airs_result log_lines(airs_bytes rest) {
    for (uint64_t left = number(cut(&rest)); left > 0; left--) airs_log(AIRS_INFO, rest, NULL, 0);
    return shown(0);
}

static airs_result send(airs_bytes rest) {
    uint64_t refused = 0, left = number(cut(&rest));
    airs_id target = {AIRS_TEXT("default"), cut(&rest), AIRS_NOTHING};
    for (; left > 0; left--) refused += airs_send(target, rest).present;
    return shown(refused);
}

static airs_result get(airs_bytes rest) {
    uint64_t refused = 0;
    for (uint64_t left = number(cut(&rest)); left > 0; left--) refused += airs_storage_get(rest).failed;
    return shown(refused);
}

static airs_result set(airs_bytes rest) {
    uint64_t refused = 0, left = number(cut(&rest));
    airs_bytes key = cut(&rest);
    for (; left > 0; left--) refused += airs_storage_set(key, rest).failed;
    return shown(refused);
}

static airs_result spin(airs_bytes rest) {
    uint64_t state = 1;
    for (uint64_t left = number(rest); left > 0; left--) state = state * 6364136223846793005u + 1442695040888963407u;
    return shown(state);
}

static airs_result wait(airs_bytes rest) {
    airs_sleep_millis(number(rest));
    return shown(0);
}

static const struct {
    airs_bytes word;
    airs_result (*obey)(airs_bytes rest);
} orders[] = {
    {AIRS_CONSTANT("!count"), count}, {AIRS_CONSTANT("!counted"), count_so_far}, {AIRS_CONSTANT("!log"), log_lines},
    {AIRS_CONSTANT("!send"), send},   {AIRS_CONSTANT("!get"), get},              {AIRS_CONSTANT("!set"), set},
    {AIRS_CONSTANT("!spin"), spin},   {AIRS_CONSTANT("!sleep"), wait},
};

airs_result airs_on_message(const airs_message *message) {
    airs_bytes rest = message->payload;
    if (rest.size == 0 || rest.data[0] != '!') return AIRS_REPLY(rest);
    airs_bytes word = cut(&rest);
    for (size_t i = 0; i < sizeof orders / sizeof *orders; i++)
        if (airs_equal(orders[i].word, word)) return orders[i].obey(rest);
    __builtin_trap();
}
