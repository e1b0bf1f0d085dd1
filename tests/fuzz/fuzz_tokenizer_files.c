// SPDX-License-Identifier: Apache-2.0
// A directory with any of the files that a tokenizer may consist of. The first byte says what is
// opened: 0 the directory, N the Nth of `paths`. Behind it follow the files in the order of
// `names`, with the bytes FF 00 FF between them; a part that is empty is no file.
//
// Covers: src/text/tokenizer_files.c src/text/tokenizer_specials.c src/text/tokenizer_classes.c
// Covers: src/text/tokenizer_numbered.c src/text/model_numbered.c src/text/decoder_pieces.c
#include "frame.h"
#include "scratch.h"
#include "tokenizer_folder.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const char *const names[] = {"tokenizer_config.json",
                                        "special_tokens_map.json",
                                        "added_tokens.json",
                                        "config.json",
                                        "tokenizer.json",
                                        "vocab.txt",
                                        "vocab.json",
                                        "merges.txt",
                                        "spiece.model",
                                        "tokenizer.model",
                                        "sentencepiece.bpe.model",
                                        "spm.model",
                                        "source.spm",
                                        "sentencepiece.model"};
    static const char *const paths[] = {"tokenizer.json", "vocab.txt",    "vocab.json",
                                        "merges.txt",     "spiece.model", "tokenizer.model",
                                        "none.json",      "none.txt",     "none.model",
                                        "config.ini",     "none"};
    enum { PATHS = sizeof(paths) / sizeof(paths[0]) };
    size_t failing;
    frame_part left = frame_input(&failing, data, size);
    if (left.size == 0)
        return 0;
    size_t path = (unsigned char)left.data[0] % (PATHS + 1);
    left = (frame_part){left.data + 1, left.size - 1};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        frame_write(names[i], frame_take(&left, "\xFF\0\xFF", 3));
    frame_write("config.ini", (frame_part){"x", 1});
    tokenizer_folder_open(path ? scratch_path(paths[path - 1]) : frame_folder(), failing);
    return 0;
}
