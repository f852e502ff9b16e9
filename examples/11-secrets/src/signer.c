/* Signs messages: the reply is the HMAC-SHA256 of the payload in hex, under the key in the variable SIGNING_KEY, which is
 * a secret. The key is in the memory of the instance, and in no reply and no line of its log. */
#include "airs.h"

static const airs_bytes operations[] = {AIRS_CONSTANT("TEXT")};
const airs_metadata airs_about = {
    .name = AIRS_CONSTANT("signer"),
    .version = AIRS_CONSTANT("1.0.0"),
    .description = AIRS_CONSTANT("Signs messages with a secret key"),
    .author = AIRS_CONSTANT("The airs authors"),
    .license = AIRS_CONSTANT("Apache-2.0"),
    .operations = operations,
    .operation_count = 1,
    .stateful = false,
};

/* ---- SHA-256, as FIPS 180-4 writes it ---- */

enum { BLOCK = 64, DIGEST = 32 };

static const uint32_t round_constants[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5, 0xd807aa98, 0x12835b01, 0x243185be,
    0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa,
    0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967, 0x27b70a85,
    0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3,
    0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f,
    0x682e6ff3, 0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

typedef struct {
    uint32_t state[8];
    uint8_t block[BLOCK];
    uint64_t size;
} sha256;

static uint32_t rotated(uint32_t word, unsigned by) { return word >> by | word << (32 - by); }

static void compress(sha256 *hash) {
    uint32_t w[64], s[8];
    for (int i = 0; i < 16; i++) {
        const uint8_t *b = hash->block + 4 * i;
        w[i] = (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
    }
    for (int i = 16; i < 64; i++) {
        uint32_t a = rotated(w[i - 15], 7) ^ rotated(w[i - 15], 18) ^ w[i - 15] >> 3;
        uint32_t b = rotated(w[i - 2], 17) ^ rotated(w[i - 2], 19) ^ w[i - 2] >> 10;
        w[i] = w[i - 16] + a + w[i - 7] + b;
    }
    for (int i = 0; i < 8; i++) s[i] = hash->state[i];
    for (int i = 0; i < 64; i++) {
        uint32_t choice = (s[4] & s[5]) ^ (~s[4] & s[6]), majority = (s[0] & s[1]) ^ (s[0] & s[2]) ^ (s[1] & s[2]);
        uint32_t one = s[7] + (rotated(s[4], 6) ^ rotated(s[4], 11) ^ rotated(s[4], 25)) + choice + round_constants[i] + w[i];
        uint32_t two = (rotated(s[0], 2) ^ rotated(s[0], 13) ^ rotated(s[0], 22)) + majority;
        for (int n = 7; n > 0; n--) s[n] = s[n - 1];
        s[4] += one;
        s[0] = one + two;
    }
    for (int i = 0; i < 8; i++) hash->state[i] += s[i];
}

static sha256 begun(void) {
    return (sha256){.state = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19}};
}

static void take(sha256 *hash, airs_bytes bytes) {
    for (size_t i = 0; i < bytes.size; i++) {
        hash->block[hash->size++ % BLOCK] = bytes.data[i];
        if (hash->size % BLOCK == 0) compress(hash);
    }
}

static void end(sha256 *hash, uint8_t digest[DIGEST]) {
    static const uint8_t one = 0x80, zero = 0;
    uint64_t bits = hash->size * 8;
    take(hash, (airs_bytes){&one, 1});
    while (hash->size % BLOCK != BLOCK - 8) take(hash, (airs_bytes){&zero, 1});
    uint8_t length[8];
    for (int i = 0; i < 8; i++) length[i] = (uint8_t)(bits >> (56 - 8 * i));
    take(hash, (airs_bytes){length, 8});
    for (int i = 0; i < DIGEST; i++) digest[i] = (uint8_t)(hash->state[i / 4] >> (24 - 8 * (i % 4)));
}

/* ---- HMAC ---- */

static airs_bytes key;

static sha256 begun_with_key(uint8_t pad) {
    uint8_t block[BLOCK] = {0};
    sha256 hash = begun();
    if (key.size > BLOCK) {
        take(&hash, key);
        end(&hash, block);
        hash = begun();
    } else {
        for (size_t i = 0; i < key.size; i++) block[i] = key.data[i];
    }
    for (int i = 0; i < BLOCK; i++) block[i] ^= pad;
    take(&hash, (airs_bytes){block, BLOCK});
    return hash;
}

static airs_bytes signature(airs_bytes payload) {
    uint8_t digest[DIGEST];
    sha256 inner = begun_with_key(0x36), outer = begun_with_key(0x5c);
    take(&inner, payload);
    end(&inner, digest);
    take(&outer, (airs_bytes){digest, DIGEST});
    end(&outer, digest);
    uint8_t *hex = airs_alloc(2 * DIGEST, 1);
    for (int i = 0; i < 2 * DIGEST; i++) hex[i] = (uint8_t)"0123456789abcdef"[digest[i / 2] >> (i % 2 ? 0 : 4) & 15];
    return (airs_bytes){hex, 2 * DIGEST};
}

/* ---- the component ---- */

airs_result airs_on_initialize(const airs_config *config) {
    for (size_t i = 0; i < config->env_var_count; i++)
        if (airs_equal(config->env_vars[i].name, AIRS_TEXT("SIGNING_KEY"))) key = config->env_vars[i].value;
    airs_keep(); /* what `key` points to */
    if (!key.size) return AIRS_FAIL(AIRS_INITIALIZATION_FAILED, AIRS_TEXT("SIGNING_KEY is not set"));
    return AIRS_OK;
}

airs_result airs_on_message(const airs_message *message) {
    airs_log(AIRS_INFO, AIRS_JOIN(AIRS_TEXT("signed "), airs_decimal(message->payload.size), AIRS_TEXT(" bytes")), NULL, 0);
    return AIRS_REPLY(signature(message->payload));
}
