// SPDX-License-Identifier: Apache-2.0
// ByteLevel: texts as letters that stand for their bytes.
//
// Printable bytes of Latin-1 stand for themselves, the other 68 are U+0100 and following, in order.
#ifndef MM_TEXT_BYTE_LEVEL_H
#define MM_TEXT_BYTE_LEVEL_H

#include "text/encode_work.h"

#include "base/buffer.h"
#include "base/json.h"

#include <stdint.h>

enum { MM_BYTE_LEVEL_SPACE = 0x120 }; // the letter of a blank

static inline uint32_t mm_byte_level_letter(unsigned char byte) {
    if (byte <= 0x20)
        return 0x100u + byte;
    if (byte >= 0x7F && byte <= 0xA0)
        return 0x121u + (byte - 0x7Fu);
    return byte == 0xAD ? 0x143 : byte;
}

// The byte of a letter, or -1.
static inline int mm_byte_level_byte(uint32_t letter) {
    if (letter >= 0x100 && letter <= 0x143)
        return letter <= 0x120   ? (int)(letter - 0x100)
               : letter <= 0x142 ? (int)(letter - 0x121 + 0x7F)
                                 : 0xAD;
    bool printable = (letter >= 0x21 && letter <= 0x7E) || (letter >= 0xA1 && letter <= 0xFF);
    return printable && letter != 0xAD ? (int)letter : -1;
}

bool mm_byte_level_append(mm_buffer *out, unsigned char byte); // its letter
// Appends the bytes of a text when it is of letters only, else the text itself.
bool mm_byte_level_append_bytes(mm_buffer *out, const char *text, size_t length);
// Appends bytes as text: what is no UTF-8 becomes U+FFFD.
bool mm_byte_level_append_text(mm_buffer *out, const char *bytes, size_t length);

// A flag that must be there: the reference library refuses files without it.
mm_status mm_byte_level_read_flag(bool *out, const json_t *config, const char *key,
                                  const char *where, mm_error *error);
// Cuts a piece where GPT-2's pattern does: 's|'t|'re|'ve|'m|'ll|'d, then words, numbers and other
// signs, each with a blank before it, then white space, of which the last one stays with what
// follows.
bool mm_byte_level_split(const char *text, mm_span piece, mm_piece_list *out);

#endif
