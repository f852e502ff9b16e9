/* The canonical ABI of example:calculator/calculator by hand: each export takes its parameters flattened, and returns
 * a number or the address of a result laid out as WIT says. Core signatures are those that
 * `wasm-tools component embed --dummy-names legacy -t` prints. */
#include "airs.h"

#define INTERFACE "example:calculator/operations@1.0.0"
#define EXPORT(function) __attribute__((export_name(INTERFACE "#" function)))
/* Exported beside each function that was given, or returns, something from the arena. */
#define EMPTIES_ARENA(function) \
    __attribute__((export_name("cabi_post_" INTERFACE "#" function))) void

void airs_empty_arena(void);

/* ---- the types of calculator.wit ---- */

enum arithmetic_error { DIVISION_BY_ZERO, OVERFLOW, INVALID };
enum operation { PI, SQUARE_ROOT, DIFFERENCE, QUOTIENT, SUM };
enum rounding { NEAREST, DOWN, UP };
enum style { GROUPED = 1, SIGNED = 2 };

typedef struct {
    double x, y;
} point;

typedef struct {
    uint32_t which;
    airs_bytes text;
} problem;

typedef struct { /* result<s64, arithmetic-error> and result<f64, arithmetic-error> */
    uint64_t failed;
    union {
        int64_t whole;
        double real;
        problem error;
    };
} result;

typedef struct { /* option<tuple<u64, u64>> */
    uint64_t present;
    uint64_t quotient, remainder;
} optional_division;

typedef struct { /* option<summary> */
    uint64_t present;
    uint32_t count;
    double mean, minimum, maximum;
} optional_summary;

typedef struct {
    const point *items;
    size_t count;
} point_list;

_Static_assert(sizeof(result) == 24 && offsetof(result, error) == 8, "result<s64, arithmetic-error>");
_Static_assert(sizeof(optional_summary) == 40 && offsetof(optional_summary, mean) == 16, "option<summary>");

/* ---- answers: one of each kind is enough, for the host reads it before it calls again ---- */

static result *answered(result value) {
    static result answer;
    answer = value;
    return &answer;
}

static result *whole(int64_t value) { return answered((result){.whole = value}); }
static result *failed(enum arithmetic_error which, airs_bytes text) {
    return answered((result){.failed = 1, .error = {which, text}});
}
static result *real(double value) {
    return value - value == 0 ? answered((result){.real = value}) : failed(OVERFLOW, AIRS_NOTHING); /* finite or not */
}

static airs_bytes *text(airs_bytes value) {
    static airs_bytes answer;
    answer = value;
    return &answer;
}

/* ---- whole numbers ---- */

EXPORT("add") int32_t add(int32_t a, int32_t b) { return (int32_t)((uint32_t)a + (uint32_t)b); }

EXPORT("divide") result *divide(int64_t a, int64_t b) {
    if (b == 0) return failed(DIVISION_BY_ZERO, AIRS_NOTHING);
    if (a == INT64_MIN && b == -1) return failed(OVERFLOW, AIRS_NOTHING);
    return whole(a / b);
}

EXPORT("divide-with-remainder") optional_division *divide_with_remainder(uint64_t a, uint64_t b) {
    static optional_division answer;
    answer = b ? (optional_division){1, a / b, a % b} : (optional_division){0};
    return &answer;
}

static double rounded(double value, enum rounding how) {
    if (how == DOWN) return __builtin_floor(value);
    if (how == UP) return __builtin_ceil(value);
    double towards_zero = __builtin_trunc(value), cut = value - towards_zero;
    return towards_zero + (cut >= 0.5) - (cut <= -0.5);
}

EXPORT("round") result *round_to_whole(double value, uint32_t how) {
    if (value != value) return failed(INVALID, AIRS_TEXT("NaN"));
    double nearby = rounded(value, how);
    if (nearby < -0x1p63 || nearby >= 0x1p63) return failed(OVERFLOW, AIRS_NOTHING);
    return whole((int64_t)nearby);
}

/* ---- real numbers ---- */

static double sum_of(const double *values, size_t count) {
    double sum = 0;
    for (size_t i = 0; i < count; i++) sum += values[i];
    return sum;
}

/* `first` and `second` hold what the operation's case holds: two numbers, or an address and a count. */
EXPORT("evaluate") result *evaluate(uint32_t operation, uint64_t first, uint64_t second) {
    union {
        uint64_t bits;
        double value;
    } left = {first}, right = {second};
    switch ((enum operation)operation) {
    case PI: return real(3.14159265358979323846);
    case SQUARE_ROOT:
        if (left.value < 0) return failed(INVALID, AIRS_TEXT("the square root of a negative number"));
        return real(__builtin_elementwise_sqrt(left.value));
    case DIFFERENCE: return real(left.value - right.value);
    case QUOTIENT: return right.value == 0 ? failed(DIVISION_BY_ZERO, AIRS_NOTHING) : real(left.value / right.value);
    case SUM: return real(sum_of((const double *)(uintptr_t)first, (size_t)second));
    }
    __builtin_trap();
}
EMPTIES_ARENA("evaluate") after_evaluate(const void *value) { (void)value, airs_empty_arena(); }

EXPORT("summarise") optional_summary *summarise(const double *values, size_t count) {
    static optional_summary answer;
    answer = (optional_summary){count > 0, (uint32_t)count, 0, 0, 0};
    if (count == 0) return &answer;
    answer.mean = sum_of(values, count) / (double)count;
    answer.minimum = answer.maximum = values[0];
    for (size_t i = 1; i < count; i++) {
        if (values[i] < answer.minimum) answer.minimum = values[i];
        if (values[i] > answer.maximum) answer.maximum = values[i];
    }
    return &answer;
}
EMPTIES_ARENA("summarise") after_summarise(const void *value) { (void)value, airs_empty_arena(); }

EXPORT("scale") point_list *scale(point *points, size_t count, double by) {
    static point_list answer;
    for (size_t i = 0; i < count; i++) points[i] = (point){points[i].x * by, points[i].y * by};
    answer = (point_list){points, count}; /* the list we were given is ours to change and hand back */
    return &answer;
}
EMPTIES_ARENA("scale") after_scale(const void *value) { (void)value, airs_empty_arena(); }

/* ---- text ---- */

static airs_bytes grouped(airs_bytes digits) {
    uint8_t *first = airs_alloc(digits.size + digits.size / 3, 1), *end = first;
    for (size_t i = 0; i < digits.size; i++) {
        if (i > 0 && (digits.size - i) % 3 == 0) *end++ = ',';
        *end++ = digits.data[i];
    }
    return (airs_bytes){first, (size_t)(end - first)};
}

EXPORT("format") airs_bytes *format(int64_t value, uint32_t how) {
    airs_bytes digits = airs_decimal(value < 0 ? -(uint64_t)value : (uint64_t)value);
    airs_bytes sign = value < 0 ? AIRS_TEXT("-") : value > 0 && how & SIGNED ? AIRS_TEXT("+") : AIRS_NOTHING;
    return text(AIRS_JOIN(sign, how & GROUPED ? grouped(digits) : digits));
}
EMPTIES_ARENA("format") after_format(const void *value) { (void)value, airs_empty_arena(); }

EXPORT("parse") result *parse(const uint8_t *data, size_t size) {
    airs_bytes written = {data, size}, digits = written;
    bool negative = airs_after(written, AIRS_TEXT("-"), &digits);
    uint64_t value, limit = (uint64_t)INT64_MAX + negative;
    for (size_t i = 0; i < digits.size; i++)
        if (digits.data[i] < '0' || digits.data[i] > '9') return failed(INVALID, written);
    if (digits.size == 0) return failed(INVALID, written);
    if (!airs_parse_decimal(digits, &value) || value > limit) return failed(OVERFLOW, AIRS_NOTHING);
    return whole((int64_t)(negative ? -value : value));
}
EMPTIES_ARENA("parse") after_parse(const void *value) { (void)value, airs_empty_arena(); }

/* ---- the world's own function ---- */

__attribute__((export_name("version"))) airs_bytes *version(void) { return text(AIRS_TEXT("1.0.0")); }
