/* A program as anybody writes one: counts the words of every file in a directory, and tells the most frequent ones.
 *
 *   wordcount DIRECTORY [DIRECTORY…]      TOP in the environment says how many words are told (3)
 *
 * Exits 1 when a directory cannot be read. Nothing here knows of airs or of WASI: libc asks for what it needs. */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WORD_MAX = 63, WORDS_MAX = 4096, PATH_MAX_BYTES = 1024 };

static struct {
    char text[WORD_MAX + 1];
    unsigned count;
} words[WORDS_MAX];
static unsigned known;

static void count(const char *word) {
    for (unsigned n = 0; n < known; n++)
        if (!strcmp(words[n].text, word)) {
            words[n].count++;
            return;
        }
    if (known < WORDS_MAX) {
        strcpy(words[known].text, word);
        words[known++].count = 1;
    }
}

static unsigned long read_file(const char *path) {
    FILE *file = fopen(path, "r");
    char word[WORD_MAX + 1];
    unsigned length = 0;
    unsigned long total = 0;
    if (!file) {
        fprintf(stderr, "wordcount: %s: %s\n", path, strerror(errno));
        return 0;
    }
    for (int c; (c = fgetc(file)) != EOF || length;) {
        if (c != EOF && isalpha(c)) {
            if (length < WORD_MAX) word[length++] = (char)tolower(c);
            continue;
        }
        word[length] = '\0';
        if (length) count(word), total++;
        length = 0;
    }
    fclose(file);
    return total;
}

static int read_directory(const char *path) {
    DIR *directory = opendir(path);
    char name[PATH_MAX_BYTES];
    if (!directory) {
        fprintf(stderr, "wordcount: %s: %s\n", path, strerror(errno));
        return 1;
    }
    for (struct dirent *entry; (entry = readdir(directory));) {
        if (entry->d_type != DT_REG) continue;
        snprintf(name, sizeof name, "%s/%s", path, entry->d_name);
        printf("%8lu  %s\n", read_file(name), name);
    }
    closedir(directory);
    return 0;
}

static int by_count(const void *left, const void *right) {
    const unsigned a = ((const typeof(words[0]) *)left)->count, b = ((const typeof(words[0]) *)right)->count;
    return (a < b) - (a > b);
}

int main(int argc, char **argv) {
    const char *top = getenv("TOP");
    int failed = 0;
    if (argc < 2) {
        fprintf(stderr, "usage: wordcount DIRECTORY [DIRECTORY...]\n");
        return 1;
    }
    for (int n = 1; n < argc; n++) failed |= read_directory(argv[n]);
    qsort(words, known, sizeof words[0], by_count);
    for (unsigned n = 0; n < known && n < (top ? (unsigned)atoi(top) : 3); n++)
        printf("%8u  \"%s\"\n", words[n].count, words[n].text);
    return failed;
}
