// SPDX-License-Identifier: Apache-2.0
// Reads the vocabulary out of tokenizer.json without a JSON tree.
//
// A vocabulary is nine tenths of the file, and a tree of it costs several times the rest of opening
// a tokenizer. So the vocabulary is found and read here, and the file without it, which is small,
// goes to the JSON library, which also checks everything outside the vocabulary.
#ifndef MM_TEXT_VOCABULARY_JSON_H
#define MM_TEXT_VOCABULARY_JSON_H

#include "text/vocabulary.h"

typedef struct mm_json_part { // bytes of a JSON text
    const char *start;        // NULL when not found
    size_t length;
} mm_json_part;

// The value of object[key1][key2] (key2 may be NULL) in a text that need not be valid JSON: what is
// found is only as well-formed as the text.
mm_json_part mm_json_locate(const char *text, size_t length, const char *key1, const char *key2);
// Adds the members of an object {"token": id, ...} and finishes the vocabulary. The whole of `part`
// must be one object of ids from 0 to 2^32-1, else MODEL_CORRUPT.
mm_status mm_vocabulary_read_object(mm_vocabulary *vocabulary, mm_json_part part, const char *where,
                                    mm_error *error);

#endif
