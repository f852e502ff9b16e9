/* An actor that does what a message tells it to, good or bad, for the tests. A message is a word and what follows it:
 *
 *   ends the instance   trap · div0 · recurse · loop · grow (until memory is refused)
 *   answers             echo TEXT · none · err [TEXT] · fail N TEXT (error case N) · bytes N (so many) · calls (messages so far)
 *   was told            config · env NAME · limits · message (who sent it and its metadata)
 *   services            log TEXT · shout TEXT (at level error) · sleep MS · now · clock · list · info NAME
 *   messaging           self · send TO TEXT · request TO TEXT · cancel ID · broadcast TO,TO TEXT
 *   topics              publish TOPIC TEXT · subscribe PATTERN · unsubscribe PATTERN · topic · heard TEXT (logged with the topic)
 *   storage             store KEY VALUE · load KEY · delete KEY · exists KEY · keys [PREFIX] · usage
 *   itself              health WORD (what health says from now on) · grow MIB (and says its memory in bytes)
 *   again               repeat N ORDER (so many times, and the last answer) · spread TO (this message, twice)
 *
 * Its config may hold orders as well: `initialize` and `shutdown` are obeyed then, and an answer `err` is its refusal.
 * TO is `name` in the namespace default, or `namespace/name`. A host's error is replied as `error: …`, so that it is no
 * fault of the guest. Variants are built with INIT_FAILS, INIT_TRAPS, INIT_LOOPS, UNHEALTHY or STATEFUL. */
#include "airs.h"

enum { SHOWN_MAX = 200, TARGETS_MAX = 8, MIB = 1 << 20, SLOW_ROUNDS = 20000000 };

static const airs_bytes operations[] = {AIRS_CONSTANT("see tests/components/src/faulty.c")};
const airs_metadata airs_about = {
    .name = AIRS_CONSTANT(NAME),
    .version = AIRS_CONSTANT("1.0.0"),
    .description = AIRS_CONSTANT("Does what it is told, good or bad"),
    .author = AIRS_CONSTANT("The airs authors"),
    .license = AIRS_CONSTANT("Apache-2.0"),
    .operations = operations,
    .operation_count = 1,
#ifdef STATEFUL
    .stateful = true,
#else
    .stateful = false,
#endif
};

static airs_config config;
static uint64_t calls;
#ifdef UNHEALTHY
static enum airs_health condition = AIRS_UNHEALTHY;
#else
static enum airs_health condition = AIRS_HEALTHY;
#endif

static airs_result text(airs_bytes shown) { return AIRS_REPLY(shown); }
static airs_result number(uint64_t value) { return AIRS_REPLY(airs_decimal(value)); }
static airs_result usage_error(const char *why, size_t size) {
    return AIRS_FAIL(AIRS_RUNTIME_ERROR, ((airs_bytes){(const uint8_t *)why, size}));
}
#define WRONG(literal) usage_error(literal, sizeof(literal) - 1)

static airs_result outcome(airs_optional_bytes problem, airs_bytes done) {
    return problem.present ? text(AIRS_JOIN(AIRS_TEXT("error: "), problem.value)) : text(done);
}

/* Cuts the first word, up to `end`, off the text. */
static airs_bytes cut(airs_bytes *rest, uint8_t end) {
    airs_bytes word = {rest->data, 0};
    while (word.size < rest->size && rest->data[word.size] != end) word.size++;
    size_t skipped = word.size < rest->size ? word.size + 1 : word.size;
    *rest = (airs_bytes){rest->data + skipped, rest->size - skipped};
    return word;
}

static airs_id target(airs_bytes written) {
    airs_bytes name = airs_printable(written, SHOWN_MAX), space = cut(&name, '/');
    if (name.size == 0) return (airs_id){AIRS_TEXT("default"), space, AIRS_NOTHING};
    return (airs_id){space, name, AIRS_NOTHING};
}

static airs_bytes written_id(airs_id id) {
    return AIRS_JOIN(id.space, AIRS_TEXT("/"), id.name, AIRS_TEXT("/"), id.instance);
}

static airs_bytes or_none(airs_optional_bytes value) { return value.present ? value.value : AIRS_TEXT("none"); }

/* ---- ends of an instance ---- */

static volatile uint32_t zero, sink;

static airs_result trap(airs_bytes rest) {
    (void)rest;
    __builtin_trap();
}

static airs_result div0(airs_bytes rest) { return number((uint32_t)rest.size / zero); }

static uint32_t deeper(uint32_t depth);
static uint32_t (*volatile next)(uint32_t) = deeper; /* so that the compiler cannot make a loop of it */
static uint32_t deeper(uint32_t depth) { return next(depth + 1) + 1; }
static airs_result recurse(airs_bytes rest) {
    (void)rest;
    return number(deeper(0));
}

static airs_result loop(airs_bytes rest) {
    (void)rest;
    for (;;) sink++;
}

static airs_result grow(airs_bytes rest) {
    uint64_t mib = UINT64_MAX;
    if (rest.size && !airs_parse_decimal(rest, &mib)) return WRONG("grow [MIB]");
    for (; mib > 0; mib--) *(volatile uint8_t *)airs_alloc(MIB, 1) = 1;
    return number((uint64_t)__builtin_wasm_memory_size(0) * 65536);
}

/* ---- answers ---- */

static airs_result echo(airs_bytes rest) { return text(rest); }
static airs_result none(airs_bytes rest) {
    (void)rest;
    return AIRS_NO_REPLY;
}

static airs_result err(airs_bytes rest) {
    return AIRS_FAIL(AIRS_RUNTIME_ERROR, rest.size ? airs_printable(rest, SHOWN_MAX) : AIRS_TEXT("asked to fail"));
}

static airs_result fail(airs_bytes rest) {
    uint64_t error_case;
    if (!airs_parse_decimal(cut(&rest, ' '), &error_case) || error_case > AIRS_RUNTIME_ERROR) return WRONG("fail 0-6 TEXT");
    return AIRS_FAIL((uint32_t)error_case, airs_printable(rest, SHOWN_MAX));
}

static airs_result bytes(airs_bytes rest) {
    uint64_t size;
    if (!airs_parse_decimal(rest, &size) || size > 64 * MIB) return WRONG("bytes N");
    uint8_t *filled = airs_alloc((size_t)size, 1);
    __builtin_memset(filled, 'x', (size_t)size);
    return AIRS_REPLY(((airs_bytes){filled, (size_t)size}));
}

static airs_result calls_so_far(airs_bytes rest) {
    (void)rest;
    return number(calls);
}

/* ---- what it was told ---- */

static airs_result told_config(airs_bytes rest) {
    (void)rest;
    return config.data.present ? text(config.data.value) : AIRS_NO_REPLY;
}

static airs_result env(airs_bytes rest) {
    for (size_t i = 0; i < config.env_var_count; i++)
        if (airs_equal(config.env_vars[i].name, rest)) return text(config.env_vars[i].value);
    return AIRS_NO_REPLY;
}

static airs_result limits(airs_bytes rest) {
    (void)rest;
    return text(AIRS_JOIN(AIRS_TEXT("memory="), airs_decimal(config.max_memory_bytes), AIRS_TEXT(" time="),
                          airs_decimal(config.max_execution_time_ms), AIRS_TEXT(" fuel="),
                          config.has_max_fuel ? airs_decimal(config.max_fuel) : AIRS_TEXT("none")));
}

static airs_result told_message(const airs_message *message) {
    airs_optional_bytes reply_to = {message->reply_to.present, AIRS_NOTHING};
    if (reply_to.present) reply_to.value = written_id(message->reply_to.value);
    return text(AIRS_JOIN(AIRS_TEXT("sender="), written_id(message->sender), AIRS_TEXT(" correlation="),
                          or_none(message->correlation_id), AIRS_TEXT(" reply-to="), or_none(reply_to),
                          AIRS_TEXT(" time="), airs_decimal(message->timestamp.seconds), AIRS_TEXT("."),
                          airs_decimal(message->timestamp.nanoseconds), AIRS_TEXT(" type="),
                          or_none(message->content_type)));
}

/* ---- services ---- */

static airs_result log_line(airs_bytes rest) {
    airs_log(AIRS_INFO, airs_printable(rest, rest.size), NULL, 0);
    return text(AIRS_TEXT("logged"));
}

static airs_result shout(airs_bytes rest) {
    airs_pair size = {AIRS_TEXT("bytes"), airs_decimal(rest.size)};
    airs_log(AIRS_ERROR, airs_printable(rest, rest.size), &size, 1);
    return text(AIRS_TEXT("logged"));
}

static airs_result nap(airs_bytes rest) {
    uint64_t milliseconds;
    if (!airs_parse_decimal(rest, &milliseconds)) return WRONG("sleep MS");
    airs_sleep_millis(milliseconds);
    return text(AIRS_TEXT("slept"));
}

static airs_result now(airs_bytes rest) {
    (void)rest;
    return number(airs_now_millis());
}

static airs_result clock(airs_bytes rest) {
    (void)rest;
    airs_time time = airs_now();
    return text(AIRS_JOIN(airs_decimal(time.seconds), AIRS_TEXT(" "), airs_decimal(time.nanoseconds)));
}

static airs_result list(airs_bytes rest) {
    (void)rest;
    size_t count;
    const airs_id *ids = airs_list_components(&count);
    airs_bytes lines = AIRS_NOTHING;
    for (size_t i = 0; i < count; i++)
        lines = i ? AIRS_JOIN(lines, AIRS_TEXT("\n"), written_id(ids[i])) : written_id(ids[i]);
    return text(lines);
}

static airs_result info(airs_bytes rest) {
    airs_component_info found = airs_look_up(target(rest));
    airs_bytes space = AIRS_TEXT(" ");
    return outcome(found.problem, found.problem.present ? AIRS_NOTHING
                                                        : AIRS_JOIN(written_id(found.id), space, found.name, space,
                                                                    found.version, space, found.health));
}

/* ---- messaging ---- */

static airs_result spread(airs_bytes rest) {
    airs_id to = target(rest);
    airs_bytes again = AIRS_JOIN(AIRS_TEXT("spread "), rest);
    airs_send(to, again);
    return outcome(airs_send(to, again), AIRS_TEXT("sent"));
}

static airs_result self(airs_bytes rest) {
    (void)rest;
    return text(written_id(airs_self_id()));
}

static airs_result send(airs_bytes rest) {
    airs_bytes to = cut(&rest, ' ');
    return outcome(airs_send(target(to), rest), AIRS_TEXT("sent"));
}

static airs_result request(airs_bytes rest) {
    airs_bytes to = cut(&rest, ' '), id = AIRS_NOTHING;
    airs_optional_bytes problem = airs_request(target(to), rest, 1000, &id);
    return outcome(problem, id);
}

static airs_result cancel(airs_bytes rest) {
    return outcome(airs_cancel_request(airs_printable(rest, SHOWN_MAX)), AIRS_TEXT("cancelled"));
}

static airs_result broadcast(airs_bytes rest) {
    airs_bytes names = cut(&rest, ' ');
    airs_id *targets = airs_alloc(TARGETS_MAX * sizeof(airs_id), _Alignof(airs_id));
    size_t count = 0;
    while (names.size && count < TARGETS_MAX) targets[count++] = target(cut(&names, ','));
    return outcome(airs_broadcast(targets, count, rest), AIRS_TEXT("sent"));
}

/* ---- topics ---- */

static airs_result publish(airs_bytes rest) {
    uint32_t deployments = 0;
    airs_optional_bytes problem = airs_publish(cut(&rest, ' '), rest, &deployments);
    return outcome(problem, airs_decimal(deployments));
}

static airs_result subscribe(airs_bytes rest) { return outcome(airs_subscribe(rest), AIRS_TEXT("subscribed")); }
static airs_result unsubscribe(airs_bytes rest) { return outcome(airs_unsubscribe(rest), AIRS_TEXT("unsubscribed")); }

static airs_result topic(airs_bytes rest) {
    (void)rest;
    return text(or_none(airs_current_topic()));
}

static airs_result heard(airs_bytes rest) {
    return log_line(AIRS_JOIN(or_none(airs_current_topic()), AIRS_TEXT(": "), rest));
}

/* ---- storage ---- */

static airs_result stored(airs_result result, airs_bytes done) {
    return outcome((airs_optional_bytes){result.failed, result.failed ? airs_storage_problem(result) : AIRS_NOTHING}, done);
}

static airs_result store(airs_bytes rest) {
    airs_bytes key = cut(&rest, ' ');
    return stored(airs_storage_set(key, rest), AIRS_TEXT("stored"));
}

static airs_result load(airs_bytes rest) {
    airs_result found = airs_storage_get(rest);
    return found.failed ? stored(found, AIRS_NOTHING) : found;
}

static airs_result delete(airs_bytes rest) { return stored(airs_storage_delete(rest), AIRS_TEXT("deleted")); }

static airs_result exists(airs_bytes rest) {
    airs_result found = airs_storage_exists(rest);
    return stored(found, found.which ? AIRS_TEXT("yes") : AIRS_TEXT("no"));
}

static airs_result list_keys(airs_bytes rest) {
    const airs_bytes *keys = NULL;
    size_t count = 0;
    airs_optional_bytes problem = airs_storage_list_keys((airs_optional_bytes){rest.size > 0, rest}, &keys, &count);
    airs_bytes lines = AIRS_NOTHING;
    for (size_t i = 0; i < count; i++) lines = i ? AIRS_JOIN(lines, AIRS_TEXT("\n"), keys[i]) : keys[i];
    return outcome(problem, lines);
}

static airs_result usage(airs_bytes rest) {
    (void)rest;
    uint64_t used = 0, quota = 0, count = 0;
    airs_optional_bytes problem = airs_storage_usage(&used, &quota, &count);
    return outcome(problem, AIRS_JOIN(AIRS_TEXT("used="), airs_decimal(used), AIRS_TEXT(" quota="), airs_decimal(quota),
                                      AIRS_TEXT(" keys="), airs_decimal(count)));
}

/* ---- itself ---- */

static airs_result set_health(airs_bytes rest) {
    static const airs_bytes words[] = {
        AIRS_CONSTANT("healthy"), AIRS_CONSTANT("degraded"), AIRS_CONSTANT("unhealthy"), AIRS_CONSTANT("unknown")};
    for (uint32_t i = 0; i < sizeof words / sizeof *words; i++)
        if (airs_equal(words[i], rest)) {
            condition = (enum airs_health)i;
            return text(rest);
        }
    return WRONG("health healthy|degraded|unhealthy|unknown");
}

static airs_result repeat(airs_bytes rest);

static const struct {
    airs_bytes word;
    airs_result (*obey)(airs_bytes rest);
} orders[] = {
    {AIRS_CONSTANT("trap"), trap},           {AIRS_CONSTANT("div0"), div0},       {AIRS_CONSTANT("recurse"), recurse},
    {AIRS_CONSTANT("loop"), loop},           {AIRS_CONSTANT("grow"), grow},       {AIRS_CONSTANT("echo"), echo},
    {AIRS_CONSTANT("none"), none},           {AIRS_CONSTANT("err"), err},         {AIRS_CONSTANT("fail"), fail},
    {AIRS_CONSTANT("bytes"), bytes},         {AIRS_CONSTANT("calls"), calls_so_far}, {AIRS_CONSTANT("config"), told_config},
    {AIRS_CONSTANT("env"), env},             {AIRS_CONSTANT("limits"), limits},   {AIRS_CONSTANT("log"), log_line},
    {AIRS_CONSTANT("shout"), shout},         {AIRS_CONSTANT("sleep"), nap},       {AIRS_CONSTANT("now"), now},
    {AIRS_CONSTANT("clock"), clock},         {AIRS_CONSTANT("list"), list},       {AIRS_CONSTANT("info"), info},
    {AIRS_CONSTANT("self"), self},           {AIRS_CONSTANT("send"), send},       {AIRS_CONSTANT("request"), request},
    {AIRS_CONSTANT("cancel"), cancel},       {AIRS_CONSTANT("broadcast"), broadcast}, {AIRS_CONSTANT("store"), store},
    {AIRS_CONSTANT("load"), load},           {AIRS_CONSTANT("delete"), delete},   {AIRS_CONSTANT("exists"), exists},
    {AIRS_CONSTANT("keys"), list_keys},      {AIRS_CONSTANT("usage"), usage},     {AIRS_CONSTANT("health"), set_health},
    {AIRS_CONSTANT("repeat"), repeat},       {AIRS_CONSTANT("spread"), spread},   {AIRS_CONSTANT("publish"), publish},
    {AIRS_CONSTANT("subscribe"), subscribe}, {AIRS_CONSTANT("unsubscribe"), unsubscribe}, {AIRS_CONSTANT("topic"), topic},
    {AIRS_CONSTANT("heard"), heard},
};

static airs_result obey(airs_bytes order) {
    airs_bytes rest = order, word = cut(&rest, ' ');
    for (size_t i = 0; i < sizeof orders / sizeof *orders; i++)
        if (airs_equal(orders[i].word, word)) return orders[i].obey(rest);
    return WRONG("unknown order; tests/components/src/faulty.c has the list");
}

extern void airs_empty_arena(void);

static airs_result repeat(airs_bytes rest) {
    uint64_t times;
    if (!airs_parse_decimal(cut(&rest, ' '), &times)) return WRONG("repeat N ORDER");
    airs_result last = AIRS_NO_REPLY;
    airs_keep(); /* the order */
    for (; times > 0; times--) {
        airs_empty_arena();
        last = obey(rest);
    }
    return last;
}

/* Obeys the order that the config has under this name. */
static airs_result obey_config(airs_bytes name) {
    for (size_t i = 0; i < config.env_var_count; i++)
        if (airs_equal(config.env_vars[i].name, name)) return obey(config.env_vars[i].value);
    return AIRS_OK;
}

/* ---- the actor ---- */

airs_result airs_on_initialize(const airs_config *given) {
    config = *given;
    airs_keep(); /* what `config` points to */
#if defined(INIT_FAILS)
    return AIRS_FAIL(AIRS_INITIALIZATION_FAILED, AIRS_TEXT("told to fail when built"));
#elif defined(INIT_TRAPS)
    __builtin_trap();
#elif defined(INIT_LOOPS)
    for (uint32_t i = 0; i < SLOW_ROUNDS; i++) sink++;
#endif
    airs_result done = obey_config(AIRS_TEXT("initialize"));
    return done.failed ? AIRS_FAIL(AIRS_INITIALIZATION_FAILED, done.data) : AIRS_OK;
}

airs_result airs_on_message(const airs_message *message) {
    calls++;
    if (airs_equal(message->payload, AIRS_TEXT("message"))) return told_message(message);
    return obey(message->payload);
}

airs_result airs_on_callback(const airs_message *message) {
    log_line(AIRS_JOIN(AIRS_TEXT("callback "), message->payload));
    return AIRS_OK;
}

airs_result airs_on_shutdown(void) {
    airs_log(AIRS_INFO, AIRS_TEXT("shutdown"), NULL, 0);
    airs_result done = obey_config(AIRS_TEXT("shutdown"));
    return done.failed ? AIRS_FAIL(AIRS_SHUTDOWN_FAILED, done.data) : AIRS_OK;
}

enum airs_health airs_on_health(void) { return condition; }
