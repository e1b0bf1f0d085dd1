// SPDX-License-Identifier: Apache-2.0
#include "make_file.h"

#include "scratch.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

unsigned char *make_safetensors(const char *header, size_t data_size, size_t *size) {
    uint64_t length = strlen(header);
    *size = sizeof(length) + length + data_size;
    unsigned char *bytes = malloc(*size);
    if (!bytes)
        abort();
    memcpy(bytes, &length, sizeof(length));
    memcpy(bytes + sizeof(length), header, length);
    for (size_t i = 0; i < data_size; i++)
        bytes[sizeof(length) + length + i] = (unsigned char)i;
    return bytes;
}

const char *write_safetensors(const char *name, const char *header, size_t data_size) {
    size_t size;
    unsigned char *bytes = make_safetensors(header, data_size, &size);
    const char *path = scratch_write(name, bytes, size);
    free(bytes);
    return path;
}
