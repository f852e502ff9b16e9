/* Puts a price to each order it is given, from its config, and publishes what comes of it.
 *
 *   ITEM COUNT   becomes `ITEM COUNT SUM` on orders.priced, or goes on as it is on orders.rejected where it has no price. */
#include "airs.h"

static const airs_bytes operations[] = {AIRS_CONSTANT("ITEM COUNT")};
const airs_metadata airs_about = {
    .name = AIRS_CONSTANT("enrich"),
    .version = AIRS_CONSTANT("1.0.0"),
    .description = AIRS_CONSTANT("Puts a price to each order"),
    .author = AIRS_CONSTANT("The airs authors"),
    .license = AIRS_CONSTANT("Apache-2.0"),
    .operations = operations,
    .operation_count = 1,
    .stateful = false,
};

static airs_config config;

airs_result airs_on_initialize(const airs_config *given) {
    config = *given;
    airs_keep(); /* what `config` points to */
    return AIRS_OK;
}

static bool price_of(airs_bytes item, uint64_t *price) {
    for (size_t i = 0; i < config.env_var_count; i++)
        if (airs_equal(config.env_vars[i].name, item)) return airs_parse_decimal(config.env_vars[i].value, price);
    return false;
}

static airs_result publish(airs_bytes topic, airs_bytes payload) {
    airs_optional_bytes problem = airs_publish(topic, payload, NULL);
    return problem.present ? AIRS_FAIL(AIRS_RUNTIME_ERROR, problem.value) : AIRS_NO_REPLY;
}

airs_result airs_on_message(const airs_message *message) {
    airs_bytes order = message->payload, item = {order.data, 0};
    while (item.size < order.size && order.data[item.size] != ' ') item.size++;
    size_t skipped = item.size < order.size ? item.size + 1 : item.size;
    uint64_t count, price;
    bool fits = airs_parse_decimal((airs_bytes){order.data + skipped, order.size - skipped}, &count) && price_of(item, &price);
    if (!fits) return publish(AIRS_TEXT("orders.rejected"), order);
    return publish(AIRS_TEXT("orders.priced"), AIRS_JOIN(order, AIRS_TEXT(" "), airs_decimal(count * price)));
}
