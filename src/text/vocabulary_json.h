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

// Where the value of object[key1][key2] begins in a text that need not be valid JSON, and the rest
// of the text behind that place.
mm_json_part mm_json_locate(const char *text, size_t length, const char *key1, const char *key2);
// Adds the members of the object {"token": id, ...} at the start of `part`, of ids from 0 to
// 2^32-1, and finishes the vocabulary. *used is the length of the object. Anything else is
// MODEL_CORRUPT.
mm_status mm_vocabulary_read_object(mm_vocabulary *vocabulary, mm_json_part part, size_t *used,
                                    const char *where, mm_error *error);

#endif
