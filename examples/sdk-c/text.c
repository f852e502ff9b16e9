/* The few things done with text: joining, numbers, comparing, making bytes fit to be shown. */
#include "airs.h"

airs_bytes airs_join(const airs_bytes *parts, size_t count) {
    size_t size = 0;
    for (size_t i = 0; i < count; i++)
        if (__builtin_add_overflow(size, parts[i].size, &size)) __builtin_trap();
    uint8_t *joined = airs_alloc(size, 1), *end = joined;
    for (size_t i = 0; i < count; i++) {
        __builtin_memcpy(end, parts[i].data, parts[i].size);
        end += parts[i].size;
    }
    return (airs_bytes){joined, size};
}

airs_bytes airs_decimal(uint64_t number) {
    enum { DIGITS = 20 }; /* of 2^64 - 1 */
    uint8_t *end = (uint8_t *)airs_alloc(DIGITS, 1) + DIGITS, *first = end;
    do *--first = '0' + number % 10;
    while (number /= 10);
    return (airs_bytes){first, (size_t)(end - first)};
}

bool airs_parse_decimal(airs_bytes digits, uint64_t *number) {
    uint64_t value = 0;
    for (size_t i = 0; i < digits.size; i++) {
        uint8_t digit = digits.data[i] - '0';
        if (digit > 9 || value > (UINT64_MAX - digit) / 10) return false;
        value = value * 10 + digit;
    }
    *number = value;
    return digits.size > 0;
}

static bool same(const uint8_t *a, const uint8_t *b, size_t size) {
    for (size_t i = 0; i < size; i++)
        if (a[i] != b[i]) return false;
    return true;
}

bool airs_equal(airs_bytes a, airs_bytes b) { return a.size == b.size && same(a.data, b.data, a.size); }

bool airs_after(airs_bytes text, airs_bytes prefix, airs_bytes *rest) {
    if (text.size < prefix.size || !same(text.data, prefix.data, prefix.size)) return false;
    *rest = (airs_bytes){text.data + prefix.size, text.size - prefix.size};
    return true;
}

/* Returns how many bytes the character at `at` takes, 0 if it is not valid UTF-8 or would break the line. */
static size_t character_size(const uint8_t *at, size_t left) {
    uint8_t lead = at[0];
    if (lead < 0x80) return lead >= 0x20 && lead != 0x7f;
    size_t size = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
    if (lead < 0xc2 || lead > 0xf4 || size > left) return 0;
    for (size_t i = 1; i < size; i++)
        if ((at[i] & 0xc0) != 0x80) return 0;
    bool overlong = (lead == 0xe0 && at[1] < 0xa0) || (lead == 0xf0 && at[1] < 0x90);
    bool not_unicode = (lead == 0xed && at[1] > 0x9f) || (lead == 0xf4 && at[1] > 0x8f); /* surrogates, past U+10FFFF */
    bool control = lead == 0xc2 && at[1] < 0xa0;
    return overlong || not_unicode || control ? 0 : size;
}

airs_bytes airs_printable(airs_bytes bytes, size_t limit) {
    size_t used = 0, room = bytes.size < limit ? bytes.size : limit;
    uint8_t *shown = airs_alloc(room, 1);
    for (size_t i = 0; i < bytes.size;) {
        size_t size = character_size(bytes.data + i, bytes.size - i);
        size_t taken = size ? size : 1;
        if (used + taken > room) break;
        if (size) __builtin_memcpy(shown + used, bytes.data + i, size);
        else shown[used] = '?';
        used += taken;
        i += taken;
    }
    return (airs_bytes){shown, used};
}
