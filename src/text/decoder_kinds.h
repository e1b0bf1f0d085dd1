// SPDX-License-Identifier: Apache-2.0
// The functions of the kinds of decoders that have a file of their own, for the table in
// decoder_kinds.c.
#ifndef MM_TEXT_DECODER_KINDS_H
#define MM_TEXT_DECODER_KINDS_H

#include "text/decoder.h"

mm_status mm_metaspace_decoder_read(void **settings, const json_t *config, const char *where,
                                    mm_error *error);
bool mm_metaspace_decode(const void *settings, const mm_decode_texts *in, mm_decode_texts *out);

#endif
