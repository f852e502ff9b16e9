/* The world airssys:core/runtime-host for C, without libc: what a component implements and what it may call.
 *
 * A component defines the `airs_on_…` functions and `airs_about`, and is linked with bindings.c and alloc.c.
 *
 * Memory. All that the host hands in and all that airs_alloc returns lies in one arena, which is emptied when the call's
 * result has been read. Nothing is freed by hand; what must outlive the call is copied into a static variable, or
 * kept with airs_keep during initialize. */
#ifndef AIRS_H
#define AIRS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define AIRS_MESSAGE_MAX (1u << 20) /* bytes in a payload or a reply */

/* WIT's `string` and `list<u8>`: strings must be valid UTF-8 or the call traps (see airs_printable). */
typedef struct {
    const uint8_t *data;
    size_t size;
} airs_bytes;

#define AIRS_CONSTANT(literal) {(const uint8_t *)(literal), sizeof(literal) - 1} /* in static initialisers */
#define AIRS_NOTHING ((airs_bytes){NULL, 0})
#define AIRS_TEXT(literal) ((airs_bytes){(const uint8_t *)(literal), sizeof(literal) - 1})

/* ---- airssys:core/types ---- */

typedef struct {
    airs_bytes space, name, instance; /* `namespace` is a word of C++ */
} airs_id;

typedef struct {
    uint64_t seconds;
    uint32_t nanoseconds;
} airs_time;

typedef struct {
    bool present;
    airs_bytes value;
} airs_optional_bytes;

typedef struct {
    bool present;
    airs_id value;
} airs_optional_id;

typedef struct {
    airs_id sender;
    airs_bytes payload;
    airs_optional_bytes correlation_id;
    airs_optional_id reply_to;
    airs_time timestamp;
    airs_optional_bytes content_type;
} airs_message;

typedef struct {
    airs_bytes name, value;
} airs_pair;

typedef struct {
    const airs_pair *env_vars;
    size_t env_var_count;
    airs_optional_bytes data; /* the deployment's config as canonical JSON */
    uint64_t max_memory_bytes, max_execution_time_ms;
    bool has_max_fuel;
    uint64_t max_fuel;
} airs_config;

enum airs_log_level { AIRS_TRACE, AIRS_DEBUG, AIRS_INFO, AIRS_WARN, AIRS_ERROR };
enum airs_health { AIRS_HEALTHY, AIRS_DEGRADED, AIRS_UNHEALTHY, AIRS_UNKNOWN };

/* ---- airssys:core/errors: the cases in the order of errors.wit ---- */

enum airs_wasm_error {
    AIRS_COMPONENT_NOT_FOUND,
    AIRS_INSTANTIATION_FAILED,
    AIRS_EXPORT_NOT_FOUND,
    AIRS_TIMEOUT,
    AIRS_RESOURCE_LIMIT_EXCEEDED,
    AIRS_INVALID_COMPONENT,
    AIRS_RUNTIME_ERROR
};
enum airs_component_error {
    AIRS_INITIALIZATION_FAILED,
    AIRS_ALREADY_INITIALIZED,
    AIRS_NOT_INITIALIZED,
    AIRS_SHUTDOWN_FAILED,
    AIRS_INVALID_STATE
};

/* An answer of the component, or of the host's storage. In memory it is exactly
 * result<option<list<u8>>, E> and result<_, E> for a variant E whose cases hold a string or nothing. */
typedef struct {
    uint32_t failed;   /* 0 ok, 1 error */
    uint32_t which;    /* ok: whether there are `data`; error: the case */
    airs_bytes data;   /* the value, or the error's text */
} airs_result;

#define AIRS_OK ((airs_result){0, 0, AIRS_NOTHING})
#define AIRS_NO_REPLY AIRS_OK
#define AIRS_REPLY(bytes) ((airs_result){0, 1, (bytes)})
#define AIRS_FAIL(error_case, text) ((airs_result){1, (error_case), (text)})

/* ---- what a component implements ---- */

typedef struct {
    airs_bytes name, version, description, author, license;
    const airs_bytes *operations;
    size_t operation_count;
    bool stateful;
} airs_metadata;

extern const airs_metadata airs_about;

airs_result airs_on_message(const airs_message *message); /* errors: airs_wasm_error */

/* These have a default that does nothing and is well; define them to replace it. */
airs_result airs_on_initialize(const airs_config *config); /* errors: airs_component_error */
airs_result airs_on_callback(const airs_message *message); /* errors: airs_wasm_error */
airs_result airs_on_shutdown(void);                        /* errors: airs_component_error */
enum airs_health airs_on_health(void);

/* ---- what a component may call; only what it does call is imported ---- */

void airs_log(enum airs_log_level level, airs_bytes line, const airs_pair *context, size_t context_size);
airs_time airs_now(void);
uint64_t airs_now_millis(void);
void airs_sleep_millis(uint64_t milliseconds);
const airs_id *airs_list_components(size_t *count);
/* On success an info; else `problem` says, for people, why there is none. */
typedef struct {
    airs_optional_bytes problem;
    airs_id id;
    airs_bytes name, version, health;
} airs_component_info;
airs_component_info airs_look_up(airs_id id);

/* These return nothing on success, else what went wrong, for people. */
airs_optional_bytes airs_send(airs_id target, airs_bytes payload);
airs_optional_bytes airs_broadcast(const airs_id *targets, size_t target_count, airs_bytes payload);
airs_optional_bytes airs_cancel_request(airs_bytes request_id);
airs_optional_bytes airs_request(airs_id target, airs_bytes payload, uint64_t timeout_ms, airs_bytes *correlation_id);
airs_id airs_self_id(void);

/* The outcome of a request, in airs_on_callback, whose message has its correlation id. Where it failed, the payload says why:
 * `CASE: TEXT`, with the cases of docs/guests.md. */
enum airs_outcome { AIRS_REPLIED, AIRS_REPLIED_NOTHING, AIRS_FAILED };
enum airs_outcome airs_outcome_of(const airs_message *answer);

/* Publishing and subscribing; `deployments` is how many took the message, and may be NULL. */
airs_optional_bytes airs_publish(airs_bytes topic, airs_bytes payload, uint32_t *deployments);
airs_optional_bytes airs_subscribe(airs_bytes pattern);
airs_optional_bytes airs_unsubscribe(airs_bytes pattern);
airs_optional_bytes airs_current_topic(void); /* of the message at hand; absent for one that was sent */

airs_result airs_storage_get(airs_bytes key); /* ok: `which` says whether there is a value */
airs_result airs_storage_set(airs_bytes key, airs_bytes value);
airs_result airs_storage_delete(airs_bytes key);
airs_result airs_storage_exists(airs_bytes key); /* ok: `which` is the answer */
airs_bytes airs_storage_problem(airs_result failed); /* a storage error, for people */
/* These two return nothing on success, else a storage error, for people. */
airs_optional_bytes airs_storage_list_keys(airs_optional_bytes prefix, const airs_bytes **keys, size_t *count);
airs_optional_bytes airs_storage_usage(uint64_t *used_bytes, uint64_t *quota_bytes, uint64_t *key_count);

/* ---- memory and text ---- */

void *airs_alloc(size_t size, size_t alignment); /* traps when there is no more memory */
void airs_keep(void);                            /* what was allocated until now is never emptied */

airs_bytes airs_join(const airs_bytes *parts, size_t count);
#define AIRS_JOIN(...)                                                                     \
    airs_join((const airs_bytes[]){__VA_ARGS__}, sizeof((airs_bytes[]){__VA_ARGS__}) / sizeof(airs_bytes))
airs_bytes airs_decimal(uint64_t number);
bool airs_parse_decimal(airs_bytes digits, uint64_t *number); /* digits only, no overflow */
bool airs_equal(airs_bytes a, airs_bytes b);
/* Whether `text` starts with `prefix`; if so `rest` is what follows. */
bool airs_after(airs_bytes text, airs_bytes prefix, airs_bytes *rest);
/* At most `limit` bytes of `bytes` as valid UTF-8 on one line, `?` for what cannot be shown. */
airs_bytes airs_printable(airs_bytes bytes, size_t limit);

#endif
