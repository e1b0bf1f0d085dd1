// SPDX-License-Identifier: Apache-2.0
// A scratch directory for one test program, removed with what is in it.
#ifndef MM_TESTS_SCRATCH_H
#define MM_TESTS_SCRATCH_H

#include <stddef.h>

// Makes a fresh directory under $TMPDIR, else the build directory; returns its path (static
// memory), or NULL.
const char *scratch_create(void);
void scratch_remove(void);
// "scratch/name" in one of four rotating static buffers; makes the directories on the way.
const char *scratch_path(const char *name);
// Writes a file there; returns its path, or NULL.
const char *scratch_write(const char *name, const void *data, size_t size);

#endif
