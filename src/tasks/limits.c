// SPDX-License-Identifier: Apache-2.0
// How long a text may be and whether it is lower-cased: the file that sentence-transformers keeps
// beside a transformer. Its other keys belong to training or to other kinds of input and change
// nothing here.
#include "tasks/embedder.h"

#include "base/file.h"
#include "base/memory.h"

// sentence-transformers base/modules/transformer.py, Transformer.load_config; the first file that
// holds anything counts.
static const char *const file_names[] = {
    "sentence_bert_config.json",       "sentence_roberta_config.json",
    "sentence_distilbert_config.json", "sentence_camembert_config.json",
    "sentence_albert_config.json",     "sentence_xlm-roberta_config.json",
    "sentence_xlnet_config.json",
};
enum { FILE_COUNT = sizeof file_names / sizeof file_names[0] };

static mm_status read_file(mm_limits *out, const json_t *object, const char *path,
                           mm_error *error) {
    int64_t length = 0;
    mm_status status =
        mm_json_get_integer(&length, object, "max_seq_length", 0, 1, INT32_MAX, path, error);
    if (!status)
        status = mm_json_get_bool(&out->lower_case, object, "do_lower_case", false, path, error);
    // What is meant for the tokenizer itself wins over max_seq_length, under either name.
    static const char *const keys[] = {"tokenizer_args", "processor_kwargs"};
    for (size_t i = 0; i < sizeof keys / sizeof keys[0] && !status; i++) {
        const json_t *arguments = json_object_get(object, keys[i]);
        if (json_is_object(arguments))
            status = mm_json_get_integer(&length, arguments, "model_max_length", length, 1,
                                         INT32_MAX, path, error);
    }
    out->max_length = (size_t)length;
    return status;
}

mm_status mm_limits_read(mm_limits *out, const char *directory, mm_error *error) {
    *out = (mm_limits){0};
    mm_status status = MM_STATUS_OK;
    bool found = false;
    for (int i = 0; i < FILE_COUNT && !status && !found; i++) {
        char *path = mm_path_join(directory, file_names[i]);
        if (!path)
            return mm_fail_memory(error, "a path");
        json_t *object = NULL;
        if (mm_file_exists(path))
            status = mm_json_read_object(&object, path, MM_JSON_MAX, error);
        found = json_object_size(object) > 0;
        if (found)
            status = read_file(out, object, path, error);
        json_decref(object);
        mm_free(path);
    }
    return status;
}
