// SPDX-License-Identifier: Apache-2.0
// A directory without tokenizer.json. The input is merges.txt; behind NUL bytes follow vocab.json,
// tokenizer_config.json, special_tokens_map.json, added_tokens.json and config.json. A part that is
// empty is no file.
//
// Covers: src/text/tokenizer_merges.c src/text/merges_families.c
#include "frame.h"
#include "scratch.h"
#include "tokenizer_folder.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const char *const names[] = {
        "merges.txt",        "vocab.json", "tokenizer_config.json", "special_tokens_map.json",
        "added_tokens.json", "config.json"};
    size_t failing;
    frame_part left = frame_input(&failing, data, size);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        frame_write(names[i], frame_take(&left, "", 1));
    tokenizer_folder_open(frame_folder(), failing);
    tokenizer_folder_open(scratch_path("vocab.json"), failing);
    return 0;
}
