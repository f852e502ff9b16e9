/* The canonical ABI of airssys:core/runtime-host, by hand: core signatures as `wasm-tools component embed --dummy`
 * prints them, turned into the functions of airs.h. */
#include "airs.h"

#define WITHIN(interface) "airssys:core/" interface "@1.0.0"
#define IMPORT(interface, function) __attribute__((import_module(WITHIN(interface)), import_name(function)))
#define EXPORT(function) __attribute__((export_name(WITHIN("component-lifecycle") "#" function)))
#define POST_RETURN(function) __attribute__((export_name("cabi_post_" WITHIN("component-lifecycle") "#" function)))

_Static_assert(sizeof(void *) == 4, "wasm32 only");
_Static_assert(sizeof(airs_result) == 16 && offsetof(airs_result, which) == 4, "result<option<list<u8>>, E>");
_Static_assert(offsetof(airs_message, timestamp) == 72 && sizeof(airs_message) == 104, "component-message");
_Static_assert(offsetof(airs_metadata, operations) == 40 && offsetof(airs_metadata, stateful) == 48, "component-metadata");

void airs_empty_arena(void);

/* ---- exports ---- */

__attribute__((weak)) airs_result airs_on_initialize(const airs_config *config) {
    (void)config;
    return AIRS_OK;
}
__attribute__((weak)) airs_result airs_on_callback(const airs_message *message) {
    (void)message;
    return AIRS_OK;
}
__attribute__((weak)) airs_result airs_on_shutdown(void) { return AIRS_OK; }
__attribute__((weak)) enum airs_health airs_on_health(void) { return AIRS_HEALTHY; }

static bool initialized;
static airs_result answer; /* what the host reads between a call and its post-return */

static airs_result *answered(airs_result result) {
    answer = result;
    return &answer;
}

EXPORT("initialize")
airs_result *initialize(const airs_pair *env_vars, size_t env_var_count, uint32_t has_data, const uint8_t *data,
                        size_t data_size, uint64_t max_memory_bytes, uint64_t max_execution_time_ms,
                        uint32_t has_max_fuel, uint64_t max_fuel) {
    if (initialized) return answered(AIRS_FAIL(AIRS_ALREADY_INITIALIZED, AIRS_NOTHING));
    airs_config config = {env_vars,         env_var_count,         {has_data != 0, {data, data_size}},
                          max_memory_bytes, max_execution_time_ms, has_max_fuel != 0, max_fuel};
    airs_result result = airs_on_initialize(&config);
    initialized = !result.failed;
    return answered(result);
}

static airs_result *received(const airs_message *message, airs_result (*receive)(const airs_message *)) {
    if (!initialized) return answered(AIRS_FAIL(AIRS_RUNTIME_ERROR, AIRS_TEXT("a message before initialize")));
    return answered(receive(message));
}

EXPORT("handle-message") airs_result *handle_message(const airs_message *message) {
    return received(message, airs_on_message);
}
EXPORT("handle-callback") airs_result *handle_callback(const airs_message *message) {
    return received(message, airs_on_callback);
}
EXPORT("metadata") const airs_metadata *metadata(void) { return &airs_about; }
EXPORT("health") uint32_t health(void) { return airs_on_health(); }
EXPORT("shutdown") airs_result *shutdown(void) {
    if (!initialized) return answered(AIRS_FAIL(AIRS_NOT_INITIALIZED, AIRS_NOTHING));
    return answered(airs_on_shutdown());
}

POST_RETURN("initialize") void after_initialize(const void *result) { (void)result, airs_empty_arena(); }
POST_RETURN("handle-message") void after_message(const void *result) { (void)result, airs_empty_arena(); }
POST_RETURN("handle-callback") void after_callback(const void *result) { (void)result, airs_empty_arena(); }
POST_RETURN("metadata") void after_metadata(const void *result) { (void)result, airs_empty_arena(); }
POST_RETURN("health") void after_health(uint32_t result) { (void)result, airs_empty_arena(); }
POST_RETURN("shutdown") void after_shutdown(const void *result) { (void)result, airs_empty_arena(); }

/* ---- host-services ---- */

IMPORT("host-services", "log")
void host_log(uint32_t level, const uint8_t *line, size_t line_size, uint32_t has_context, const airs_pair *context,
              size_t context_size);
IMPORT("host-services", "current-time") void host_current_time(airs_time *time);
IMPORT("host-services", "current-time-millis") uint64_t host_current_time_millis(void);
IMPORT("host-services", "sleep-millis") void host_sleep_millis(uint64_t milliseconds);
typedef struct {
    const airs_id *items;
    size_t count;
} id_list;
IMPORT("host-services", "list-components") void host_list_components(id_list *found);

void airs_log(enum airs_log_level level, airs_bytes line, const airs_pair *context, size_t context_size) {
    host_log(level, line.data, line.size, context != NULL, context, context_size);
}

airs_time airs_now(void) {
    airs_time time;
    host_current_time(&time);
    return time;
}

uint64_t airs_now_millis(void) { return host_current_time_millis(); }
void airs_sleep_millis(uint64_t milliseconds) { host_sleep_millis(milliseconds); }

const airs_id *airs_list_components(size_t *count) {
    id_list found;
    host_list_components(&found);
    *count = found.count;
    return found.items;
}

typedef struct { /* result<component-info, component-error> */
    uint32_t failed;
    union {
        struct {
            airs_id id;
            airs_bytes name, version, health;
        } ok;
        struct {
            uint32_t which;
            airs_bytes text;
        } error;
    };
} info_result;
_Static_assert(sizeof(info_result) == 52, "result<component-info, component-error>");
IMPORT("host-services", "get-component-metadata")
void host_get_component_metadata(const uint8_t *space, size_t space_size, const uint8_t *name, size_t name_size,
                                 const uint8_t *instance, size_t instance_size, info_result *result);

static airs_bytes component_problem(uint32_t which, airs_bytes text) {
    switch (which & 0xff) {
    case AIRS_INITIALIZATION_FAILED: return AIRS_JOIN(AIRS_TEXT("initialization-failed: "), text);
    case AIRS_ALREADY_INITIALIZED: return AIRS_TEXT("already-initialized");
    case AIRS_NOT_INITIALIZED: return AIRS_TEXT("not-initialized");
    case AIRS_SHUTDOWN_FAILED: return AIRS_JOIN(AIRS_TEXT("shutdown-failed: "), text);
    default: return AIRS_JOIN(AIRS_TEXT("invalid-state: "), text);
    }
}

airs_component_info airs_look_up(airs_id id) {
    info_result found = {0};
    host_get_component_metadata(id.space.data, id.space.size, id.name.data, id.name.size, id.instance.data,
                                id.instance.size, &found);
    if (found.failed & 0xff)
        return (airs_component_info){.problem = {true, component_problem(found.error.which, found.error.text)}};
    return (airs_component_info){{0}, found.ok.id, found.ok.name, found.ok.version, found.ok.health};
}

/* ---- host-messaging ---- */

typedef struct { /* result<_, messaging-error>, whose largest case holds a component-id, and results of something */
    uint32_t failed;
    union {
        airs_bytes correlation_id;
        uint32_t deployments;
        struct {
            uint32_t which;
            union {
                airs_bytes text;
                airs_id target;
            };
        };
    };
} messaging_result;
_Static_assert(sizeof(messaging_result) == 32, "result<_, messaging-error>");

IMPORT("host-messaging", "self-id") void host_self_id(airs_id *id);
IMPORT("host-messaging", "send")
void host_send(const uint8_t *space, size_t space_size, const uint8_t *name, size_t name_size, const uint8_t *instance,
               size_t instance_size, const uint8_t *payload, size_t payload_size, messaging_result *result);
IMPORT("host-messaging", "request")
void host_request(const uint8_t *space, size_t space_size, const uint8_t *name, size_t name_size,
                  const uint8_t *instance, size_t instance_size, const uint8_t *payload, size_t payload_size,
                  uint64_t timeout_ms, messaging_result *result);
IMPORT("host-messaging", "cancel-request")
void host_cancel_request(const uint8_t *id, size_t id_size, messaging_result *result);
IMPORT("host-messaging", "broadcast")
void host_broadcast(const airs_id *targets, size_t target_count, const uint8_t *payload, size_t payload_size,
                    messaging_result *result);

airs_id airs_self_id(void) {
    airs_id id;
    host_self_id(&id);
    return id;
}

static airs_bytes messaging_error_text(const messaging_result *result) {
    airs_bytes slash = AIRS_TEXT("/");
    switch (result->which & 0xff) {
    case 0: return AIRS_JOIN(AIRS_TEXT("delivery-failed: "), result->text);
    case 1: return AIRS_JOIN(AIRS_TEXT("correlation-timeout: "), result->text);
    case 2: return AIRS_JOIN(AIRS_TEXT("invalid-message: "), result->text);
    case 3: return AIRS_TEXT("queue-full");
    default: return AIRS_JOIN(AIRS_TEXT("target-not-found: "), result->target.space, slash, result->target.name);
    }
}

static airs_optional_bytes messaging_problem(const messaging_result *result) {
    if (!(result->failed & 0xff)) return (airs_optional_bytes){0};
    return (airs_optional_bytes){true, messaging_error_text(result)};
}

airs_optional_bytes airs_send(airs_id to, airs_bytes payload) {
    messaging_result result = {0};
    host_send(to.space.data, to.space.size, to.name.data, to.name.size, to.instance.data, to.instance.size,
              payload.data, payload.size, &result);
    return messaging_problem(&result);
}

airs_optional_bytes airs_request(airs_id to, airs_bytes payload, uint64_t timeout_ms, airs_bytes *correlation_id) {
    messaging_result result = {0};
    host_request(to.space.data, to.space.size, to.name.data, to.name.size, to.instance.data, to.instance.size,
                 payload.data, payload.size, timeout_ms, &result);
    if (!(result.failed & 0xff)) *correlation_id = result.correlation_id;
    return messaging_problem(&result);
}

airs_optional_bytes airs_cancel_request(airs_bytes request_id) {
    messaging_result result = {0};
    host_cancel_request(request_id.data, request_id.size, &result);
    return messaging_problem(&result);
}

airs_optional_bytes airs_broadcast(const airs_id *targets, size_t target_count, airs_bytes payload) {
    messaging_result result = {0};
    host_broadcast(targets, target_count, payload.data, payload.size, &result);
    return messaging_problem(&result);
}

enum airs_outcome airs_outcome_of(const airs_message *answer) {
    airs_bytes type = answer->content_type.value;
    if (!answer->content_type.present) return AIRS_REPLIED;
    if (airs_equal(type, AIRS_TEXT("application/vnd.airs.error"))) return AIRS_FAILED;
    return airs_equal(type, AIRS_TEXT("application/vnd.airs.no-reply")) ? AIRS_REPLIED_NOTHING : AIRS_REPLIED;
}

/* ---- host-pubsub ---- */

IMPORT("host-pubsub", "publish")
void host_publish(const uint8_t *topic, size_t topic_size, const uint8_t *payload, size_t payload_size,
                  messaging_result *result);
IMPORT("host-pubsub", "subscribe")
void host_subscribe(const uint8_t *pattern, size_t pattern_size, messaging_result *result);
IMPORT("host-pubsub", "unsubscribe")
void host_unsubscribe(const uint8_t *pattern, size_t pattern_size, messaging_result *result);
typedef struct { /* option<string> */
    uint32_t present;
    airs_bytes value;
} optional_string;
IMPORT("host-pubsub", "current-topic") void host_current_topic(optional_string *topic);

airs_optional_bytes airs_publish(airs_bytes topic, airs_bytes payload, uint32_t *deployments) {
    messaging_result result = {0};
    host_publish(topic.data, topic.size, payload.data, payload.size, &result);
    if (!(result.failed & 0xff) && deployments != NULL) *deployments = result.deployments;
    return messaging_problem(&result);
}

airs_optional_bytes airs_subscribe(airs_bytes pattern) {
    messaging_result result = {0};
    host_subscribe(pattern.data, pattern.size, &result);
    return messaging_problem(&result);
}

airs_optional_bytes airs_unsubscribe(airs_bytes pattern) {
    messaging_result result = {0};
    host_unsubscribe(pattern.data, pattern.size, &result);
    return messaging_problem(&result);
}

airs_optional_bytes airs_current_topic(void) {
    optional_string topic = {0};
    host_current_topic(&topic);
    return (airs_optional_bytes){(topic.present & 0xff) != 0, topic.value};
}

/* ---- storage ---- */

typedef struct { /* result<list<string>, storage-error> */
    uint32_t failed;
    union {
        struct {
            const airs_bytes *keys;
            size_t count;
        } ok;
        struct {
            uint32_t which;
            airs_bytes text;
        } error;
    };
} keys_result;
_Static_assert(sizeof(keys_result) == 16, "result<list<string>, storage-error>");

typedef struct { /* result<storage-usage, storage-error> */
    uint64_t failed;
    union {
        struct {
            uint64_t used_bytes, quota_bytes, key_count;
        } ok;
        struct {
            uint32_t which;
            airs_bytes text;
        } error;
    };
} usage_result;
_Static_assert(sizeof(usage_result) == 32, "result<storage-usage, storage-error>");

IMPORT("storage", "get") void host_get(const uint8_t *key, size_t key_size, airs_result *result);
IMPORT("storage", "set")
void host_set(const uint8_t *key, size_t key_size, const uint8_t *value, size_t value_size, airs_result *result);
IMPORT("storage", "delete") void host_delete(const uint8_t *key, size_t key_size, airs_result *result);
IMPORT("storage", "exists") void host_exists(const uint8_t *key, size_t key_size, airs_result *result);
IMPORT("storage", "list-keys")
void host_list_keys(uint32_t has_prefix, const uint8_t *prefix, size_t prefix_size, keys_result *result);
IMPORT("storage", "usage") void host_usage(usage_result *result);

/* The host writes discriminants as single bytes; the result is zeroed first so that the whole words are right. */
airs_result airs_storage_get(airs_bytes key) {
    airs_result result = {0};
    host_get(key.data, key.size, &result);
    return result;
}

airs_result airs_storage_set(airs_bytes key, airs_bytes value) {
    airs_result result = {0};
    host_set(key.data, key.size, value.data, value.size, &result);
    return result;
}

airs_result airs_storage_delete(airs_bytes key) {
    airs_result result = {0};
    host_delete(key.data, key.size, &result);
    return result;
}

airs_result airs_storage_exists(airs_bytes key) {
    airs_result result = {0};
    host_exists(key.data, key.size, &result);
    return result;
}

airs_bytes airs_storage_problem(airs_result failed) {
    switch (failed.which) {
    case 0: return AIRS_JOIN(AIRS_TEXT("not-found: "), failed.data);
    case 1: return AIRS_JOIN(AIRS_TEXT("already-exists: "), failed.data);
    case 2: return AIRS_TEXT("quota-exceeded");
    case 3: return AIRS_JOIN(AIRS_TEXT("invalid-key: "), failed.data);
    default: return AIRS_JOIN(AIRS_TEXT("io-error: "), failed.data);
    }
}

static airs_optional_bytes storage_problem(uint32_t which, airs_bytes text) {
    return (airs_optional_bytes){true, airs_storage_problem(AIRS_FAIL(which & 0xff, text))};
}

airs_optional_bytes airs_storage_list_keys(airs_optional_bytes prefix, const airs_bytes **keys, size_t *count) {
    keys_result result = {0};
    host_list_keys(prefix.present, prefix.value.data, prefix.value.size, &result);
    if (result.failed & 0xff) return storage_problem(result.error.which, result.error.text);
    *keys = result.ok.keys;
    *count = result.ok.count;
    return (airs_optional_bytes){0};
}

airs_optional_bytes airs_storage_usage(uint64_t *used_bytes, uint64_t *quota_bytes, uint64_t *key_count) {
    usage_result result = {0};
    host_usage(&result);
    if (result.failed & 0xff) return storage_problem(result.error.which, result.error.text);
    *used_bytes = result.ok.used_bytes;
    *quota_bytes = result.ok.quota_bytes;
    *key_count = result.ok.key_count;
    return (airs_optional_bytes){0};
}
