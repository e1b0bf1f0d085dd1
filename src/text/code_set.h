// SPDX-License-Identifier: Apache-2.0
// Sets of code points, as classes and properties of regexes make them.
//
// Surrogates are in no text, so whether a set has them is left open. Out of memory: the function
// returns false and the set is what it was or smaller; it must still be freed.
#ifndef MM_TEXT_CODE_SET_H
#define MM_TEXT_CODE_SET_H

#include "base/buffer.h"
#include "text/unicode_text.h"

typedef struct mm_code_set { // zero-initialised: the empty set
    mm_code_range *items;    // after mm_code_set_tidy ascending, no two of them touch
    size_t count, capacity;
} mm_code_set;

void mm_code_set_free(mm_code_set *set); // leaves an empty one
bool mm_code_set_add(mm_code_set *set, uint32_t first, uint32_t last);
bool mm_code_set_add_set(mm_code_set *set, const mm_code_set *other);
void mm_code_set_tidy(mm_code_set *set);
bool mm_code_set_invert(mm_code_set *set);
bool mm_code_set_intersect(mm_code_set *set, const mm_code_set *other); // `other` is tidy
// Adds what is equal to a member without case, one character by one.
bool mm_code_set_fold(mm_code_set *set);

// Adds all code points of some general categories (1u << MM_LU and so on).
bool mm_code_set_add_categories(mm_code_set *set, uint32_t categories);
// Adds those of a property by one of its names ("Lu", "Greek", "alpha"); false when out of memory,
// *known false when there is no such name. Case, blanks, '-' and '_' of the name do not count.
bool mm_code_set_add_property(mm_code_set *set, const char *name, size_t length, bool *known);
// What \w, \p{Word} and \b have besides when they stand outside of brackets: superscript digits
// and fractions of Latin-1. Tidies.
bool mm_code_set_add_word_extras(mm_code_set *set);

// Writes a tidy set as a class of PCRE2, by its general categories where that is shorter.
bool mm_code_set_write(const mm_code_set *set, mm_buffer *out);

#endif
