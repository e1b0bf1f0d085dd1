// SPDX-License-Identifier: Apache-2.0
// Where ignoring case makes one character equal to several, as U+00DF to "ss", which Oniguruma
// finds and we do not: such expressions are refused.
#ifndef MM_TEXT_REGEX_FOLDS_H
#define MM_TEXT_REGEX_FOLDS_H

#include <stdbool.h>
#include <stdint.h>

bool mm_regex_folds_to_several(uint32_t code);
// Whether the two may be, or begin, what such a character is equal to.
bool mm_regex_is_fold(uint32_t first, uint32_t second);

#endif
