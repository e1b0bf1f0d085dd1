// SPDX-License-Identifier: Apache-2.0
// Truncation: how much of each sequence fits, and the windows over what does not.
#ifndef MM_TEXT_TRUNCATION_H
#define MM_TEXT_TRUNCATION_H

#include "text/tokenizer.h"

typedef struct mm_cut { // one sequence
    size_t length;      // tokens
    size_t keep;        // of them in each window
    size_t step;        // from one window to the next
    bool from_left;     // the first window is the end of the sequence
} mm_cut;

typedef struct mm_range {
    size_t start, count;
} mm_range;

// Fills cuts[i].keep and the rest from cuts[i].length. `specials` is what the post-processor adds.
// INVALID_PARAMETER when the options cannot be met.
mm_status mm_truncate(mm_cut cuts[2], bool has_pair, size_t specials,
                      const mm_truncation *truncation, mm_error *error);
size_t mm_cut_windows(const mm_cut *cut); // 1 when nothing is cut
mm_range mm_cut_window(const mm_cut *cut, size_t index);

#endif
