// SPDX-License-Identifier: Apache-2.0
// What fuzzers have in common: inputs of several files, errors that must say why, and allocations
// that fail.
#ifndef MM_TESTS_FUZZ_FRAME_H
#define MM_TESTS_FUZZ_FRAME_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

void frame_require(bool truth); // aborts unless
// What failed says why, in UTF-8.
void frame_check(mm_status status, const mm_error *error);

typedef struct frame_part { // bytes of an input
    const char *data;
    size_t size;
} frame_part;

// The whole input, and which allocation fails: it may end in "\0#N", the Nth, which is cut off; all
// its bytes decide otherwise.
frame_part frame_input(size_t *failing, const uint8_t *data, size_t size);
// Cuts off what stands before the next separator; all of it when there is none.
frame_part frame_take(frame_part *left, const char *separator, size_t length);

// Runs `run` twice, the second time with one allocation that fails, chosen by frame_input's
// number. It must come to the same, or to OUT_OF_MEMORY.
void frame_run(mm_status (*run)(const void *payload, mm_error *error), const void *payload,
               size_t failing);

// The program's own folder, made by the first call and removed at the end.
const char *frame_folder(void);
// Writes a file there; an empty part is no file.
void frame_write(const char *name, frame_part content);

#endif
