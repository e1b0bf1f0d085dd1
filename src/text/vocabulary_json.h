// SPDX-License-Identifier: Apache-2.0
// Reads vocabularies as tokenizer.json and vocab.json write them.
#ifndef MM_TEXT_VOCABULARY_JSON_H
#define MM_TEXT_VOCABULARY_JSON_H

#include "text/json_scan.h"
#include "text/vocabulary.h"

// Adds the members of the object {"token": id, ...}, of ids from 0 to 2^32-1, and finishes the
// vocabulary. Anything else is MODEL_CORRUPT.
mm_status mm_vocabulary_read_object(mm_vocabulary *vocabulary, mm_json_part part, const char *where,
                                    mm_error *error);

#endif
