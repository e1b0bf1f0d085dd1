// SPDX-License-Identifier: Apache-2.0
// Safetensors files for tests, broken ones included.
#ifndef MM_TESTS_MAKE_FILE_H
#define MM_TESTS_MAKE_FILE_H

#include <stddef.h>

// The header's length, the header as given, and data_size bytes 0, 1, 2 ... 255, 0 ... .
// The caller frees with free(). *size gets the whole.
unsigned char *make_safetensors(const char *header, size_t data_size, size_t *size);
// The same written to scratch/name; returns the path.
const char *write_safetensors(const char *name, const char *header, size_t data_size);

#endif
