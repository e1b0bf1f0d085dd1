// SPDX-License-Identifier: Apache-2.0
// The settings of Metaspace, which the pre-tokenizer and the decoder share: blanks are shown by a
// character, and words may get one in front.
#ifndef MM_TEXT_METASPACE_H
#define MM_TEXT_METASPACE_H

#include "base/error.h"
#include "base/json.h"

#include <stddef.h>

typedef enum mm_prepend_scheme {
    MM_PREPEND_ALWAYS,
    MM_PREPEND_FIRST, // to what begins the original text only
    MM_PREPEND_NEVER,
} mm_prepend_scheme;

typedef struct mm_metaspace {
    char replacement[4]; // one character
    size_t length;       // bytes of it
    mm_prepend_scheme scheme;
    bool split; // before each such character
} mm_metaspace;

// Makes an mm_metaspace, to be given to mm_free.
mm_status mm_metaspace_read(void **settings, const json_t *config, const char *where,
                            mm_error *error);

#endif
