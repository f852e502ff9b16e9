/* Looks at what WASI gives it, and tries for more, as it is told. Words, commands separated by `;`:
 *
 *   looks      args · env · cat PATH · ls PATH · stdin
 *   writes     put PATH TEXT · add PATH TEXT (a line at its end) · link TARGET PATH
 *   prints     say TEXT · shout TEXT (to stderr) · bytes HEX · flood MIB · long BYTES (one line)
 *   network    connect PORT (of 127.0.0.1) · resolve NAME
 *   ends       exit CODE · leave CODE (libc's exit) · trap · spin · grow MIB · sleep MS
 *
 * Built as a job, whose arguments are the words, and with CALLABLE as the function `do`, which returns what it found. */
#include <dirent.h>
#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { FOUND_MAX = 1 << 16, WORDS_MAX = 64, LINE = 100, MIB = 1 << 20, IPV4 = 0, OK = 0 };

#define IMPORT(module, name) __attribute__((import_module(module "@0.2.12"), import_name(name)))
IMPORT("wasi:cli/exit", "exit-with-code") void wasi_exit(int32_t code);
IMPORT("wasi:io/poll", "[method]pollable.block") void wasi_block(int32_t pollable);
IMPORT("wasi:sockets/instance-network", "instance-network") int32_t wasi_network(void);
IMPORT("wasi:sockets/tcp-create-socket", "create-tcp-socket") void wasi_socket(int32_t family, void *result);
IMPORT("wasi:sockets/tcp", "[method]tcp-socket.subscribe") int32_t wasi_subscribe(int32_t socket);
IMPORT("wasi:sockets/tcp", "[method]tcp-socket.finish-connect") void wasi_finish(int32_t socket, void *result);
IMPORT("wasi:sockets/tcp", "[method]tcp-socket.start-connect")
void wasi_connect(int32_t socket, int32_t network, int32_t family, int32_t port, int32_t a, int32_t b, int32_t c,
                  int32_t d, int32_t unused1, int32_t unused2, int32_t unused3, int32_t unused4, int32_t unused5,
                  int32_t unused6, void *result);
IMPORT("wasi:sockets/ip-name-lookup", "resolve-addresses")
void wasi_resolve(int32_t network, const char *name, size_t size, void *result);

static char found[FOUND_MAX];
static size_t found_size;

static void tell(const char *format, ...) {
    va_list values;
    va_start(values, format);
    int size = vsnprintf(found + found_size, sizeof found - found_size, format, values);
    va_end(values);
    if (size > 0) found_size += (size_t)size < sizeof found - found_size ? (size_t)size : sizeof found - found_size - 1;
}

static void failed(void) { tell("error: %s\n", strerror(errno)); }

static void cat(const char *path) {
    FILE *file = fopen(path, "r");
    char line[512];
    if (!file) {
        failed();
        return;
    }
    while (fgets(line, sizeof line, file)) tell("%s", line);
    if (ferror(file)) failed();
    fclose(file);
}

static void put(const char *path, const char *mode, const char *text) {
    FILE *file = fopen(path, mode);
    if (!file || fprintf(file, "%s\n", text) < 0 || fclose(file) != 0)
        failed();
    else
        tell("written\n");
}

static void list(const char *path) {
    DIR *folder = opendir(path);
    if (!folder) {
        failed();
        return;
    }
    for (struct dirent *entry; (entry = readdir(folder));)
        if (entry->d_name[0] != '.') tell("%s\n", entry->d_name);
    closedir(folder);
}

static void flood(long mib) {
    char line[LINE];
    memset(line, 'x', sizeof line);
    line[LINE - 1] = '\n';
    for (long left = mib * MIB; left > 0; left -= LINE) fwrite(line, 1, sizeof line, stdout);
}

static void connect_to(int port) {
    struct {
        uint8_t is_error, pad[3];
        int32_t value;
    } made = {0};
    uint8_t result[12] = {0};
    wasi_socket(IPV4, &made);
    if (made.is_error) {
        tell("no socket: %d\n", made.value & 0xff);
        return;
    }
    wasi_connect(made.value, wasi_network(), IPV4, port, 127, 0, 0, 1, 0, 0, 0, 0, 0, 0, result);
    if (result[0] != OK) {
        tell("refused: %d\n", result[1]);
        return;
    }
    wasi_block(wasi_subscribe(made.value));
    wasi_finish(made.value, result);
    if (result[0] == OK)
        tell("connected\n");
    else
        tell("refused: %d\n", result[4]);
}

static void resolve(const char *name) {
    uint8_t result[8] = {0};
    wasi_resolve(wasi_network(), name, strlen(name), result);
    if (result[0] == OK)
        tell("resolving\n");
    else
        tell("refused: %d\n", result[4]);
}

static void hex(const char *digits) {
    for (unsigned value; sscanf(digits, "%2x", &value) == 1; digits += 2) fputc((int)value, stdout);
}

static void grow(long mib) {
    for (long held = 0; held < mib; held++) {
        volatile char *more = malloc(MIB);
        if (!more) __builtin_trap();
        *more = 1;
    }
    tell("grown\n");
}

extern char **environ;

static void obey(int count, char **words, int argc, char **argv) {
    const char *first = count > 1 ? words[1] : "", *second = count > 2 ? words[2] : "", *what = words[0];
    if (!strcmp(what, "args")) for (int n = 0; n < argc; n++) tell("%s\n", argv[n]);
    else if (!strcmp(what, "env")) for (char **pair = environ; pair && *pair; pair++) tell("%s\n", *pair);
    else if (!strcmp(what, "cat")) cat(first);
    else if (!strcmp(what, "ls")) list(first);
    else if (!strcmp(what, "stdin")) tell("stdin: %d\n", getchar());
    else if (!strcmp(what, "put")) put(first, "w", second);
    else if (!strcmp(what, "add")) put(first, "a", second);
    else if (!strcmp(what, "link")) symlink(first, second) ? failed() : tell("linked\n");
    else if (!strcmp(what, "say")) printf("%s\n", first);
    else if (!strcmp(what, "shout")) fprintf(stderr, "%s\n", first);
    else if (!strcmp(what, "bytes")) hex(first);
    else if (!strcmp(what, "flood")) flood(atol(first));
    else if (!strcmp(what, "long")) for (long left = atol(first); left > 0; left--) fputc('y', stdout);
    else if (!strcmp(what, "connect")) connect_to(atoi(first));
    else if (!strcmp(what, "resolve")) resolve(first);
    else if (!strcmp(what, "exit")) fflush(stdout), wasi_exit(atoi(first));
    else if (!strcmp(what, "leave")) exit(atoi(first));
    else if (!strcmp(what, "trap")) fflush(stdout), __builtin_trap();
    else if (!strcmp(what, "spin")) for (volatile int n = 0;; n++) continue;
    else if (!strcmp(what, "grow")) grow(atol(first));
    else if (!strcmp(what, "sleep")) usleep((useconds_t)atol(first) * 1000);
    else tell("no such command: %s\n", what);
}

static void obey_all(int count, char **words, int argc, char **argv) {
    for (int begin = 0; begin < count;) {
        int end = begin;
        while (end < count && strcmp(words[end], ";")) end++;
        if (end > begin) obey(end - begin, words + begin, argc, argv);
#ifndef CALLABLE
        fwrite(found, 1, found_size, stdout);
        found_size = 0;
#endif
        fflush(stdout);
        begin = end + 1;
    }
}

#ifdef CALLABLE
typedef struct {
    char *data;
    size_t size;
} text;

__attribute__((export_name("cabi_realloc"))) void *cabi_realloc(void *old, size_t old_size, size_t align, size_t size) {
    (void)old_size, (void)align;
    return realloc(old, size);
}

__attribute__((export_name("do"))) text *do_line(char *line, size_t size) {
    static text result;
    char *words[WORDS_MAX], *rest, *copy = malloc(size + 1);
    int count = 0;
    memcpy(copy, line, size);
    copy[size] = '\0';
    free(line);
    for (char *word = strtok_r(copy, " ", &rest); word && count < WORDS_MAX; word = strtok_r(NULL, " ", &rest))
        words[count++] = word;
    found_size = 0;
    obey_all(count, words, count, words);
    free(copy);
    result = (text){found, found_size};
    return &result;
}
#else
int main(int argc, char **argv) {
    obey_all(argc - 1, argv + 1, argc, argv);
    return 0;
}
#endif
