// SPDX-License-Identifier: Apache-2.0
// Stands in for libFuzzer: runs a fuzzer's entry point on every file of the folders given, so that
// corpora are ordinary tests under any compiler. An empty or missing corpus is a failure.
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int replay_file(const char *path) {
    FILE *file = fopen(path, "rb");
    long size;
    uint8_t *data;

    if (!file || fseek(file, 0, SEEK_END) || (size = ftell(file)) < 0)
        return -1;
    rewind(file);
    // Exactly as large as the input, so that AddressSanitizer sees a read past its end.
    data = malloc(size ? (size_t)size : 1);
    if (!data || fread(data, 1, (size_t)size, file) != (size_t)size)
        return -1;
    fclose(file);
    LLVMFuzzerTestOneInput(data, (size_t)size);
    free(data);
    return 0;
}

static long replay_folder(const char *folder) {
    DIR *directory = opendir(folder);
    struct dirent *entry;
    long count = 0;

    while (directory && (entry = readdir(directory))) {
        char path[4096];

        if (entry->d_name[0] == '.')
            continue;
        snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        if (replay_file(path)) {
            fprintf(stderr, "cannot read %s\n", path);
            exit(2);
        }
        count++;
    }
    if (directory)
        closedir(directory);
    return count;
}

int main(int argc, char **argv) {
    for (int i = 1; i < argc; i++) {
        long count = replay_folder(argv[i]);

        printf("%s: %ld inputs\n", argv[i], count);
        if (count == 0)
            return 1;
    }
    return argc > 1 ? 0 : 2;
}
