// SPDX-License-Identifier: Apache-2.0
// mm_model_inspect: what a model is and will cost, from its configuration and the headers of its
// weights.
#include "base/memory.h"
#include "checkpoint/checkpoint.h"
#include "checkpoint/config.h"
#include "manager/json_text.h"
#include "manager/plan.h"

#include <string.h>

typedef struct inspection {
    mm_found_model found;
    mm_config *config;
    mm_checkpoint *checkpoint; // NULL with checkpoint_error
    mm_error checkpoint_error;
    mm_task_model *loaded; // f32, weights not read; NULL with load_error
    mm_error load_error;
    size_t bytes_f32, bytes_bf16; // 0 = not on this processor
    mm_memory_need need;          // of one worker on the CPU, f32
} inspection;

static bool is_fatal(mm_status status) {
    return status == MM_STATUS_OUT_OF_MEMORY;
}

// What cannot be opened is still described as far as it goes.
static mm_status look(inspection *out, mm_manager *manager, mm_error *error) {
    const char *directory = out->found.model.directory;
    const char *name = mm_found_model_name(&out->found);
    mm_backend *backend;
    mm_status status = mm_config_open(&out->config, directory, error);
    if (!status)
        status = mm_device_open(&backend, &manager->devices.list[0], &manager->lock, error);
    if (status)
        return status;
    status = mm_checkpoint_open(&out->checkpoint, directory, &out->checkpoint_error);
    if (!status)
        status = mm_task_model_open(&out->loaded, directory, name, backend, MM_COMPUTE_F32,
                                    &out->load_error);
    else
        out->load_error = out->checkpoint_error;
    if (!status) {
        out->bytes_f32 = mm_task_model_weight_bytes(out->loaded);
        mm_task_model *half = NULL;
        status = mm_plan_need(&out->need, manager, &manager->devices.list[0], out->loaded, NULL,
                              &out->load_error);
        if (!status && mm_backend_supports(backend, MM_COMPUTE_BF16))
            status = mm_task_model_open(&half, directory, name, backend, MM_COMPUTE_BF16,
                                        &out->load_error);
        if (half)
            out->bytes_bf16 = mm_task_model_weight_bytes(half);
        mm_task_model_free(half);
    }
    if (is_fatal(status) && error)
        *error = out->load_error;
    return is_fatal(status) ? status : MM_STATUS_OK;
}

static bool put_architectures(mm_buffer *out, const json_t *config) {
    const json_t *list = json_object_get(config, "architectures");
    bool ok = mm_buffer_puts(out, ", \"architectures\": [");
    bool first = true;
    for (size_t i = 0; i < json_array_size(list) && ok; i++) {
        const json_t *name = json_array_get(list, i);
        if (!json_is_string(name))
            continue;
        ok = mm_buffer_puts(out, first ? "" : ", ") &&
             mm_json_put_string(out, json_string_value(name), json_string_length(name));
        first = false;
    }
    return ok && mm_buffer_putc(out, ']');
}

static bool put_number_or_null(mm_buffer *out, const char *name, int64_t value, bool known) {
    return mm_buffer_printf(out, ", \"%s\": ", name) &&
           (known ? mm_json_put_integer(out, value) : mm_buffer_puts(out, "null"));
}

static bool put_error(mm_buffer *out, const mm_error *error) {
    return mm_buffer_printf(out, ", \"error\": {\"code\": \"%s\", \"message\": ",
                            mm_status_name(error->status)) &&
           mm_json_put_string(out, error->message, strlen(error->message)) &&
           mm_buffer_putc(out, '}');
}

static bool put_model(mm_buffer *out, const inspection *in) {
    const mm_task_model *model = in->loaded;
    bool there = model != NULL;
    bool whole = there && !in->found.scratch[0]; // a fingerprint takes weights
    const mm_model_info *info = there ? mm_task_model_info(model) : NULL;
    const mm_embedder *embedder = NULL;
    bool embeds = there && mm_task_model_embedder(&embedder, model, NULL) == MM_STATUS_OK;
    bool ok =
        put_number_or_null(out, "hidden_size", there ? info->hidden_size : 0, there) &&
        put_number_or_null(out, "layers", there ? info->layers : 0, there) &&
        put_number_or_null(out, "vocab_size", there ? info->vocab_size : 0, there) &&
        put_number_or_null(out, "max_length", there ? (int64_t)mm_task_model_max_length(model) : 0,
                           there) &&
        put_number_or_null(out, "dimension", embeds ? mm_embedder_dimension(embedder) : 0, embeds);
    const mm_tokenizer *tokenizer = there ? mm_task_model_tokenizer(model) : NULL;
    ok = ok && mm_buffer_puts(out, ", \"tokenizer\": ") &&
         mm_json_put_string_or_null(out, tokenizer ? mm_tokenizer_kind(tokenizer) : NULL) &&
         mm_buffer_puts(out, ", \"fingerprint\": ") &&
         mm_json_put_string_or_null(out, whole ? mm_task_model_fingerprint(model) : NULL);
    return ok && (there || put_error(out, &in->load_error));
}

// What loading it would mean now.
static bool put_plan(mm_buffer *out, mm_manager *manager, const inspection *in) {
    const mm_target target = {.device = mm_devices_find(&manager->devices, "cpu"),
                              .dtype = MM_COMPUTE_F32};
    return mm_buffer_puts(out, ", \"plan\": ") &&
           (in->loaded ? mm_plan_write(out, manager, &in->found.model, &target, &in->need)
                       : mm_buffer_puts(out, "null"));
}

static bool put_all(mm_buffer *out, mm_manager *manager, const inspection *in, const char *asked) {
    const mm_checkpoint *checkpoint = in->checkpoint;
    bool is_directory = in->found.model.kind == MM_NAME_DIRECTORY;
    bool ok = mm_buffer_puts(out, "{\"model_name\": ") &&
              mm_json_put_string_or_null(out, is_directory ? asked : in->found.model.name) &&
              mm_buffer_puts(out, ", \"revision\": ") &&
              mm_json_put_string_or_null(out, in->found.model.commit) &&
              mm_buffer_puts(out, ", \"model_type\": ") &&
              mm_json_put_string_or_null(out, mm_config_model_type(in->config)) &&
              put_architectures(out, mm_config_json(in->config)) &&
              mm_buffer_puts(out, ", \"task_types\": ") && mm_task_kinds_write(out, in->loaded);
    ok =
        ok &&
        put_number_or_null(out, "parameters", checkpoint ? mm_checkpoint_parameters(checkpoint) : 0,
                           checkpoint != NULL) &&
        put_number_or_null(out, "file_bytes",
                           checkpoint ? (int64_t)mm_checkpoint_bytes(checkpoint) : 0,
                           checkpoint != NULL);
    ok = ok && mm_buffer_puts(out, ", \"memory_bytes\": {\"f32\": ") &&
         (in->bytes_f32 ? mm_json_put_integer(out, (int64_t)in->bytes_f32)
                        : mm_buffer_puts(out, "null")) &&
         mm_buffer_puts(out, ", \"bf16\": ") &&
         (in->bytes_bf16 ? mm_json_put_integer(out, (int64_t)in->bytes_bf16)
                         : mm_buffer_puts(out, "null")) &&
         mm_buffer_putc(out, '}') && put_plan(out, manager, in);
    return ok && put_model(out, in) && mm_buffer_putc(out, '}');
}

mm_status mm_model_inspect(char **out, mm_manager *manager, const char *model_name,
                           mm_error *error) {
    *out = NULL;
    mm_status status = mm_manager_enter(manager, error);
    if (status)
        return status;
    inspection in = {0};
    mm_buffer text;
    mm_buffer_init(&text, PTRDIFF_MAX);
    status = mm_found_model_open(&in.found, manager, model_name, NULL, error);
    if (!status)
        status = look(&in, manager, error);
    if (!status) {
        *out = put_all(&text, manager, &in, model_name) ? mm_buffer_detach(&text) : NULL;
        if (!*out)
            status = mm_fail_memory(error, "the description of a model");
    }
    mm_buffer_free(&text);
    mm_task_model_free(in.loaded);
    mm_checkpoint_free(in.checkpoint);
    mm_config_free(in.config);
    mm_found_model_close(&in.found);
    mm_manager_leave(manager);
    return status;
}
