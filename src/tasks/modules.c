// SPDX-License-Identifier: Apache-2.0
// modules.json and the modules behind the transformer. Classes are told by the last part of their
// name, because the path in front of it has moved between releases of sentence-transformers.
#include "tasks/embedder.h"

#include "base/file.h"
#include "base/memory.h"

#include <string.h>

// The names of the first two are also used in messages, by their kind.
static const struct {
    const char *name;
    mm_module_kind kind;
} classes[] = {
    {"Transformer", MM_MODULE_TRANSFORMER},
    {"Pooling", MM_MODULE_POOLING},
    {"Dense", MM_MODULE_DENSE},
    {"LayerNorm", MM_MODULE_LAYER_NORM},
    {"Normalize", MM_MODULE_NORMALIZE},
    {"Dropout", MM_MODULE_DROPOUT},
};
enum { CLASS_COUNT = sizeof classes / sizeof classes[0] };

static const char *last_part(const char *name) {
    const char *dot = strrchr(name, '.');
    return dot ? dot + 1 : name;
}

// ---- modules.json ------------------------------------------------------------------------------

// A sub-folder of the model: no way up, no root, no other drive.
static bool path_is_safe(const char *path, size_t length) {
    if (strlen(path) != length || path[0] == '/' || strpbrk(path, "\\:"))
        return false;
    for (const char *part = path; part; part = strchr(part, '/')) {
        part += *part == '/';
        if (strncmp(part, "..", 2) == 0 && (part[2] == '/' || part[2] == '\0'))
            return false;
    }
    return true;
}

// Unknown classes are refused here, by name: leaving one out would change the vectors.
static mm_status add_module(mm_modules *modules, const json_t *entry, const char *directory,
                            const char *where, mm_error *error) {
    const json_t *type = json_object_get(entry, "type");
    const json_t *path = json_object_get(entry, "path");
    if (!json_is_string(type) || !json_is_string(path))
        return mm_fail(error, MM_STATUS_MODEL_CORRUPT,
                       "%s: module %zu must be an object with the strings \"type\" and \"path\"",
                       where, modules->count);
    if (!path_is_safe(json_string_value(path), json_string_length(path)))
        return mm_fail(error, MM_STATUS_MODEL_CORRUPT,
                       "%s: the path \"%.64s\" of module %zu must be a folder of the model", where,
                       json_string_value(path), modules->count);
    if (modules->count == MM_MODULES_MAX)
        return mm_fail(error, MM_STATUS_MODEL_UNSUPPORTED, "%s: more than %d modules", where,
                       MM_MODULES_MAX);
    int i = 0;
    while (i < CLASS_COUNT && strcmp(classes[i].name, last_part(json_string_value(type))) != 0)
        i++;
    if (i == CLASS_COUNT)
        return mm_fail(error, MM_STATUS_MODEL_UNSUPPORTED,
                       "%s: modules of the type \"%.128s\" are not supported", where,
                       json_string_value(type));
    mm_module *module = &modules->items[modules->count++];
    module->kind = classes[i].kind;
    bool root = json_string_length(path) == 0;
    module->directory =
        root ? mm_strdup(directory) : mm_path_join(directory, json_string_value(path));
    return module->directory ? MM_STATUS_OK : mm_fail_memory(error, "a path");
}

// The one order there is a meaning for: a transformer, its pooling, then the rest.
static mm_status check_order(const mm_modules *modules, const char *where, mm_error *error) {
    size_t at[2] = {SIZE_MAX, SIZE_MAX}; // the transformer's place, the pooling's
    for (size_t i = 0; i < modules->count; i++) {
        mm_module_kind kind = modules->items[i].kind;
        if (kind > MM_MODULE_POOLING)
            continue;
        if (at[kind] != SIZE_MAX)
            return mm_fail(error, MM_STATUS_MODEL_UNSUPPORTED,
                           "%s: more than one %s module is not supported", where,
                           classes[kind].name);
        at[kind] = i;
    }
    if (at[0] != 0)
        return mm_fail(error, MM_STATUS_MODEL_UNSUPPORTED,
                       "%s: the first module must be a Transformer", where);
    if (at[1] == SIZE_MAX)
        return mm_fail(error, MM_STATUS_MODEL_UNSUPPORTED,
                       "%s: without a Pooling module there is no vector of a text", where);
    for (size_t i = 1; i < at[1]; i++) {
        if (modules->items[i].kind != MM_MODULE_DROPOUT)
            return mm_fail(error, MM_STATUS_MODEL_UNSUPPORTED,
                           "%s: only Dropout may stand between the Transformer and its Pooling",
                           where);
    }
    return MM_STATUS_OK;
}

// A folder without modules.json counts as a transformer with mean pooling.
static mm_status plain_transformer(mm_modules *modules, const char *directory, mm_error *error) {
    modules->items[0].kind = MM_MODULE_TRANSFORMER;
    modules->items[0].directory = mm_strdup(directory);
    modules->items[1].kind = MM_MODULE_POOLING;
    modules->count = 2;
    modules->poolings[0] = MM_POOLING_MEAN;
    modules->pooling_count = 1;
    modules->include_prompt = true;
    return modules->items[0].directory ? MM_STATUS_OK : mm_fail_memory(error, "a path");
}

mm_status mm_modules_read(mm_modules *modules, const char *directory, mm_error *error) {
    *modules = (mm_modules){0};
    char *text = NULL;
    size_t length;
    json_t *list = NULL;
    mm_status status;
    char *path = mm_path_join(directory, "modules.json");
    if (!path)
        return mm_fail_memory(error, "a path");
    if (!mm_file_exists(path)) {
        status = plain_transformer(modules, directory, error);
        goto done;
    }
    modules->from_file = true;
    status = mm_file_read(&text, &length, path, MM_JSON_MAX, error);
    if (!status)
        status = mm_json_parse(&list, text, length, path, MM_STATUS_MODEL_CORRUPT, error);
    if (status)
        goto done;
    if (!json_is_array(list)) {
        status = mm_fail(error, MM_STATUS_MODEL_CORRUPT, "%s: must hold a list of modules", path);
        goto done;
    }
    for (size_t i = 0; i < json_array_size(list) && !status; i++)
        status = add_module(modules, json_array_get(list, i), directory, path, error);
    if (!status)
        status = check_order(modules, path, error);
done:
    json_decref(list);
    mm_free(text);
    mm_free(path);
    return status;
}

// ---- The modules' own files --------------------------------------------------------------------

// Reads the module's config.json; without one the object is empty.
static mm_status read_config(json_t **out, char **out_path, const mm_module *module,
                             mm_error *error) {
    *out = NULL;
    *out_path = mm_path_join(module->directory, "config.json");
    if (!*out_path)
        return mm_fail_memory(error, "a path");
    if (mm_file_exists(*out_path))
        return mm_json_read_object(out, *out_path, MM_JSON_MAX, error);
    *out = json_object();
    return *out ? MM_STATUS_OK : mm_fail_memory(error, "a JSON object");
}

// sentence-transformers lets modules read and write other things than the text's vector.
static mm_status check_names(const json_t *config, const char *path, mm_error *error) {
    static const char *const keys[] = {"module_input_name", "module_output_name"};
    for (int i = 0; i < 2; i++) {
        const char *name;
        mm_status status =
            mm_json_get_string(&name, config, keys[i], "sentence_embedding", path, error);
        if (status)
            return status;
        if (strcmp(name, "sentence_embedding") != 0)
            return mm_fail(error, MM_STATUS_MODEL_UNSUPPORTED,
                           "%s: \"%s\" is \"%.64s\", only \"sentence_embedding\" is supported",
                           path, keys[i], name);
    }
    return MM_STATUS_OK;
}

// By the last part of the class name, such as torch.nn.modules.activation.Tanh.
static mm_status read_function(mm_function *out, const json_t *config, const char *path,
                               mm_error *error) {
    static const struct {
        const char *name;
        mm_function function;
    } functions[] = {
        {"Tanh", MM_FUNCTION_TANH}, {"Identity", MM_FUNCTION_NONE},
        {"ReLU", MM_FUNCTION_RELU}, {"Sigmoid", MM_FUNCTION_SIGMOID},
        {"GELU", MM_FUNCTION_GELU}, {"SiLU", MM_FUNCTION_SILU},
    };
    const char *name;
    mm_status status = mm_json_get_string(&name, config, "activation_function",
                                          "torch.nn.modules.activation.Tanh", path, error);
    if (status)
        return status;
    for (size_t i = 0; i < sizeof functions / sizeof functions[0]; i++) {
        if (strncmp(name, "torch.", 6) == 0 && strcmp(functions[i].name, last_part(name)) == 0) {
            *out = functions[i].function;
            return MM_STATUS_OK;
        }
    }
    return mm_fail(error, MM_STATUS_MODEL_UNSUPPORTED,
                   "%s: the activation function \"%.128s\" is not supported", path, name);
}

// Modules must fit together; a file that lies is found before any weight is read.
static mm_status check_columns(int64_t found, int64_t expected, const char *key, const char *path,
                               mm_error *error) {
    if (found == expected)
        return MM_STATUS_OK;
    return mm_fail(error, MM_STATUS_MODEL_CORRUPT,
                   "%s: \"%s\" is %lld, but the module before gives %lld values", path, key,
                   (long long)found, (long long)expected);
}

// A module without its weights is a broken model, not a missing one.
static mm_status open_weights(mm_module *module, mm_error *error) {
    mm_error problem = {0};
    mm_status status = mm_checkpoint_open(&module->checkpoint, module->directory, &problem);
    if (status == MM_STATUS_MODEL_NOT_FOUND)
        return mm_fail(error, MM_STATUS_MODEL_CORRUPT, "%s", problem.message);
    if (status && error)
        *error = problem;
    return status;
}

// The weights of a Dense module whose sizes are known.
static mm_status bind_dense_weights(mm_module *module, int64_t in, int64_t out, bool has_bias,
                                    mm_weights *weights, mm_error *error) {
    const mm_tensor *weight = NULL;
    const mm_tensor *bias = NULL;
    const mm_tensor *residual = NULL;
    const int64_t shape[2] = {out, in};
    mm_status status = open_weights(module, error);
    if (!status)
        status = mm_checkpoint_get(&weight, module->checkpoint, "linear.weight", 2, shape, error);
    if (!status && has_bias)
        status = mm_checkpoint_get(&bias, module->checkpoint, "linear.bias", 1, shape, error);
    if (!status)
        status = mm_weights_add_matrix(&module->matrix, weights, 1, &weight, &bias, error);
    if (status || !module->use_residual || in == out)
        return status;
    status = mm_checkpoint_get(&residual, module->checkpoint, "residual.weight", 2, shape, error);
    if (!status)
        status = mm_weights_add_matrix(&module->residual, weights, 1, &residual, NULL, error);
    return status;
}

// config.json, then the weights it promises.
static mm_status bind_dense(mm_module *module, int64_t columns, mm_weights *weights,
                            mm_error *error) {
    json_t *config;
    char *path;
    int64_t in = 0;
    int64_t out = 0;
    bool has_bias = true;
    mm_status status = read_config(&config, &path, module, error);
    if (!status)
        status = mm_json_get_integer(&in, config, "in_features", 0, 1, INT32_MAX, path, error);
    if (!status)
        status = mm_json_get_integer(&out, config, "out_features", 0, 1, INT32_MAX, path, error);
    if (!status && (in == 0 || out == 0))
        status = mm_fail(error, MM_STATUS_MODEL_CORRUPT,
                         "%s: \"in_features\" and \"out_features\" are missing", path);
    if (!status)
        status = check_columns(in, columns, "in_features", path, error);
    if (!status)
        status = mm_json_get_bool(&has_bias, config, "bias", true, path, error);
    if (!status)
        status =
            mm_json_get_bool(&module->use_residual, config, "use_residual", false, path, error);
    if (!status)
        status = check_names(config, path, error);
    if (!status)
        status = read_function(&module->function, config, path, error);
    if (!status)
        status = bind_dense_weights(module, in, out, has_bias, weights, error);
    module->columns = out;
    json_decref(config);
    mm_free(path);
    return status;
}

// The dimension in its config is optional here: the module before decides it.
static mm_status bind_layer_norm(mm_module *module, int64_t columns, mm_weights *weights,
                                 mm_error *error) {
    json_t *config;
    char *path;
    int64_t dimension = columns;
    const mm_tensor *weight = NULL;
    const mm_tensor *bias = NULL;
    mm_status status = read_config(&config, &path, module, error);
    if (!status)
        status = mm_json_get_integer(&dimension, config, "dimension", columns, 1, INT32_MAX, path,
                                     error);
    if (!status)
        status = check_columns(dimension, columns, "dimension", path, error);
    if (!status)
        status = open_weights(module, error);
    if (!status)
        status =
            mm_checkpoint_get(&weight, module->checkpoint, "norm.weight", 1, &dimension, error);
    if (!status)
        status = mm_checkpoint_get(&bias, module->checkpoint, "norm.bias", 1, &dimension, error);
    if (!status) // 1e-5 is torch's own epsilon, which the file cannot change
        status = mm_weights_add_norm(&module->norm, weights, weight, bias, 1e-5, error);
    json_decref(config);
    mm_free(path);
    return status;
}

// Usually without any file; newer ones may say what is normalised.
static mm_status bind_normalize(const mm_module *module, mm_error *error) {
    json_t *config;
    char *path;
    mm_status status = read_config(&config, &path, module, error);
    if (!status)
        status = check_names(config, path, error);
    json_decref(config);
    mm_free(path);
    return status;
}

mm_status mm_modules_bind(mm_modules *modules, int64_t hidden_size, mm_weights *weights,
                          mm_error *error) {
    mm_status status = MM_STATUS_OK;
    int64_t columns = hidden_size;
    for (size_t i = 0; i < modules->count && !status; i++) {
        mm_module *module = &modules->items[i];
        module->columns = columns;
        switch (module->kind) {
        case MM_MODULE_TRANSFORMER:
        case MM_MODULE_DROPOUT:
            break;
        case MM_MODULE_POOLING:
            if (modules->from_file)
                status = mm_pooling_read(modules, module->directory, error);
            module->columns = hidden_size * (int64_t)modules->pooling_count;
            modules->floats += module->columns;
            break;
        case MM_MODULE_DENSE:
            status = bind_dense(module, columns, weights, error);
            modules->floats += module->columns * (module->residual ? 2 : 1);
            break;
        case MM_MODULE_LAYER_NORM:
            status = bind_layer_norm(module, columns, weights, error);
            break;
        case MM_MODULE_NORMALIZE:
            status = bind_normalize(module, error);
            break;
        }
        columns = module->columns;
    }
    modules->dimension = columns;
    return status;
}

void mm_modules_close_files(mm_modules *modules) {
    for (size_t i = 0; i < modules->count; i++) {
        mm_checkpoint_free(modules->items[i].checkpoint);
        modules->items[i].checkpoint = NULL;
    }
}

void mm_modules_free(mm_modules *modules) {
    mm_modules_close_files(modules);
    for (size_t i = 0; i < modules->count; i++)
        mm_free(modules->items[i].directory);
    *modules = (mm_modules){0};
}
