/* Takes orders from outside and publishes them; who does what with them it does not know.
 *
 *   ITEM COUNT   is published on orders.new, or on orders.rejected where COUNT is no number from 1 to 1000. Replies the topic,
 *                and how many deployments took it. */
#include "airs.h"

enum { SHOWN_MAX = 80, COUNT_MAX = 1000 };

static const airs_bytes operations[] = {AIRS_CONSTANT("ITEM COUNT")};
const airs_metadata airs_about = {
    .name = AIRS_CONSTANT("intake"),
    .version = AIRS_CONSTANT("1.0.0"),
    .description = AIRS_CONSTANT("Takes orders and publishes them"),
    .author = AIRS_CONSTANT("The airs authors"),
    .license = AIRS_CONSTANT("Apache-2.0"),
    .operations = operations,
    .operation_count = 1,
    .stateful = false,
};

static bool is_order(airs_bytes order) {
    size_t item = 0;
    while (item < order.size && order.data[item] != ' ') item++;
    if (item == 0 || item + 1 >= order.size) return false;
    uint64_t count;
    return airs_parse_decimal((airs_bytes){order.data + item + 1, order.size - item - 1}, &count) && count >= 1 &&
           count <= COUNT_MAX;
}

airs_result airs_on_message(const airs_message *message) {
    airs_bytes order = airs_printable(message->payload, SHOWN_MAX);
    bool fits = order.size == message->payload.size && is_order(order);
    airs_bytes topic = fits ? AIRS_TEXT("orders.new") : AIRS_TEXT("orders.rejected");
    uint32_t deployments = 0;
    airs_optional_bytes problem = airs_publish(topic, order, &deployments);
    if (problem.present) return AIRS_FAIL(AIRS_RUNTIME_ERROR, problem.value);
    return AIRS_REPLY(AIRS_JOIN(topic, AIRS_TEXT(", taken by "), airs_decimal(deployments)));
}
