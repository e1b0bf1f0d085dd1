// SPDX-License-Identifier: Apache-2.0
// For the fuzzers of a tokenizer's files: opens what lies in frame_folder(), uses it, and does so
// again with an allocation that fails.
#ifndef MM_TESTS_FUZZ_TOKENIZER_FOLDER_H
#define MM_TESTS_FUZZ_TOKENIZER_FOLDER_H

#include <stddef.h>

// `path` is the folder or a file in it; `failing` is frame_failing's.
void tokenizer_folder_open(const char *path, size_t failing);

#endif
