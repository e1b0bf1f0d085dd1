// SPDX-License-Identifier: Apache-2.0
// Taking out the blanks that tokenizing puts into English text, " ." and " 's" and their like.
#ifndef MM_TEXT_CLEAN_UP_H
#define MM_TEXT_CLEAN_UP_H

#include <stddef.h>

// Both work in place. As transformers does with clean_up_tokenization_spaces, on a whole text:
void mm_clean_up_text(char *text, size_t *length);
// As the tokenizers library does, on each token:
void mm_clean_up_token(char *text, size_t *length);
// The length of the longest part of a text whose cleaning does not depend on what follows, 0 when
// there is none; cuts before `from` are not looked for.
size_t mm_clean_up_settled(const char *text, size_t length, size_t from);

#endif
