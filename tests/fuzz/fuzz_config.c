// SPDX-License-Identifier: Apache-2.0
// config.json of a model's directory.
//
// Covers: src/base/json.c src/checkpoint/config.c
#include "checkpoint/config.h"
#include "frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static mm_status read_values(const mm_config *config, mm_error *error) {
    static const char *const size_keys[] = {"hidden_size", "d_model", "dim", NULL};
    int64_t size = 0;
    double number = 0;
    const char *text;
    bool flag;
    mm_status status = mm_config_get_size(&size, config, size_keys, true, 0, 1, 65536, error);
    frame_require(status || (size >= 1 && size <= 65536));
    if (!status)
        status = mm_config_get_size(&size, config, size_keys + 3, false, 7, 1, 9, error);
    if (!status)
        status = mm_config_get_number(&number, config, "layer_norm_eps", 1e-5, 0, 1, error);
    frame_require(status || (size == 7 && number >= 0 && number <= 1));
    if (!status)
        status = mm_config_get_string(&text, config, "hidden_act", "gelu", error);
    if (!status)
        status = mm_config_get_bool(&flag, config, "is_decoder", false, error);
    frame_require(mm_config_model_type(config) && mm_config_json(config) && mm_config_path(config));
    return status;
}

static mm_status read_config(const void *folder, mm_error *error) {
    mm_config *config;
    mm_status status = mm_config_open(&config, folder, error);
    frame_require((status == MM_STATUS_OK) == (config != NULL));
    if (!status)
        status = read_values(config, error);
    mm_config_free(config);
    return status;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    size_t failing;
    frame_write("config.json", frame_input(&failing, data, size));
    frame_run(read_config, frame_folder(), failing);
    return 0;
}
