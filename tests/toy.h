// SPDX-License-Identifier: Apache-2.0
// Writes toy models into the scratch directory: complete folders of a few kilobytes with
// pseudo-random weights and a small tokenizer, whole or broken in one chosen place.
#ifndef MM_TESTS_TOY_H
#define MM_TESTS_TOY_H

#include <stdbool.h>
#include <stdint.h>

enum {
    TOY_HIDDEN = 16,
    TOY_HEADS = 2,
    TOY_LAYERS = 2,
    TOY_INTERMEDIATE = 24,
    TOY_POSITIONS = 40, // usable ones
    TOY_VOCABULARY = 64,
};

typedef struct toy_options {
    const char *model_type;  // "bert" (NULL), "roberta", "distilbert" or "mpnet"
    const char *prefix;      // in front of every tensor name
    bool old_norm_names;     // gamma and beta
    const char *leave_out;   // this tensor is missing
    const char *reshape;     // this tensor has one more row
    const char *poison;      // this tensor holds a NaN
    const char *overflow;    // all values of this tensor are 3e38
    const char *config_more; // further members of config.json, e.g. "\"is_decoder\": true"
    int vocabulary_rows;     // 0: TOY_VOCABULARY
    bool aligned;            // tensors lie at multiples of 4 bytes in the file
} toy_options;

// Writes config.json, model.safetensors and tokenizer.json into the folder
// `name` of the scratch directory; returns the folder's path (static memory), or NULL.
const char *toy_write(const char *name, const toy_options *options);
// Writes a text file into such a folder, making sub-folders on the way; false when that fails.
bool toy_write_text(const char *name, const char *file, const char *text);
// Writes one safetensors file with a weight [rows, columns] (columns 0: [rows]) and a bias [rows];
// names NULL to leave one out.
bool toy_write_layer(const char *name, const char *file, const char *weight, const char *bias,
                     int64_t rows, int64_t columns);

#endif
