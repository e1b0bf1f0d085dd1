// SPDX-License-Identifier: Apache-2.0
// The functions of the kinds of normalizers, for the table in normalizer.c.
#ifndef MM_TEXT_NORMALIZER_KINDS_H
#define MM_TEXT_NORMALIZER_KINDS_H

#include "text/normalizer.h"

mm_status mm_bert_normalizer_read(void **settings, const json_t *config, const char *where,
                                  mm_error *error);
void mm_bert_normalizer_apply(const void *settings, mm_rewrite *rewrite);

mm_status mm_precompiled_read(void **settings, const json_t *config, const char *where,
                              mm_error *error);
void mm_precompiled_release(void *settings);
void mm_precompiled_apply(const void *settings, mm_rewrite *rewrite);
// Appends a stage that rewrites by the character map `bytes`, which it copies, as the SentencePiece
// library does; none when there is no map.
mm_status mm_normalizer_add_charsmap(mm_stage_list *list, const char *bytes, size_t length,
                                     const char *where, mm_error *error);

void mm_mark_emit(mm_rewrite *rewrite, mm_mark mark); // writes it as its `change` says
// Puts rewrite->marks into canonical order (a stable sort by combining class).
void mm_marks_order(mm_rewrite *rewrite);
void mm_nonspacing_drop(mm_rewrite *rewrite); // NFD output without nonspacing marks
void mm_lowercase_apply(const void *settings, mm_rewrite *rewrite);
void mm_strip_accents_apply(const void *settings, mm_rewrite *rewrite);
void mm_nfc_apply(const void *settings, mm_rewrite *rewrite);
void mm_nfd_apply(const void *settings, mm_rewrite *rewrite);
void mm_nfkc_apply(const void *settings, mm_rewrite *rewrite);
void mm_nfkd_apply(const void *settings, mm_rewrite *rewrite);

mm_status mm_strip_read(void **settings, const json_t *config, const char *where, mm_error *error);
void mm_strip_apply(const void *settings, mm_rewrite *rewrite);
void mm_replace_apply(const void *settings, mm_rewrite *rewrite);
mm_status mm_prepend_read(void **settings, const json_t *config, const char *where,
                          mm_error *error);
void mm_nmt_apply(const void *settings, mm_rewrite *rewrite);
void mm_prepend_apply(const void *settings, mm_rewrite *rewrite);
void mm_byte_level_normalize(const void *settings, mm_rewrite *rewrite);

#endif
