// SPDX-License-Identifier: Apache-2.0
// The memory of an mm_encoding.
#ifndef MM_TEXT_ENCODING_H
#define MM_TEXT_ENCODING_H

#include "text/tokenizer.h"

void mm_encoding_reset(mm_encoding *encoding); // empty, keeps its memory
// Room for `count` ids, and as many offsets if wanted.
mm_status mm_encoding_reserve(mm_encoding *encoding, size_t count, bool want_offsets,
                              mm_error *error);
mm_status mm_encoding_reserve_windows(mm_encoding *encoding, size_t count, mm_error *error);
// Appends a window of `count` ids, to be filled.
mm_status mm_encoding_add_window(mm_encoding *encoding, size_t count, mm_error *error);

#endif
