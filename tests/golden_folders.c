// SPDX-License-Identifier: Apache-2.0
#include "golden_folders.h"

#include "check.h"

#include "base/file.h"

#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { GOLDEN_MAX = 64 << 20, PATH_SIZE = 1024 };

static const char *const required[] = {
    "bert-bf16",
    "bert-cls-f16",
    "bert-mean-normalize",
    "bert-oldnames",
    "bert-sharded",
    "dense-tanh",
    "distilbert-emb",
    "layernorm-head",
    "electra-emb",
    "mpnet-emb",
    "no-modules-json",
    "pool-cls-mean",
    "pool-lasttoken",
    "pool-max",
    "pool-meansqrt",
    "pool-max-mean-lasttoken",
    "pool-weightedmean",
    "prompts-default",
    "prompts-excluded",
    "st-lower-case",
    "t5-emb",
    "truncate-dim",
    "albert-emb",
    "roberta-emb",
    "camembert-emb",
    "xlm-roberta-emb",
};
enum { REQUIRED_COUNT = sizeof required / sizeof required[0] };

bool golden_is_required(const char *name) {
    for (int i = 0; i < REQUIRED_COUNT; i++) {
        if (strcmp(required[i], name) == 0)
            return true;
    }
    return false;
}

size_t golden_required_count(void) {
    return mm_directory_exists(MM_SHARED_DIR "/golden") ? REQUIRED_COUNT : 0;
}

static bool run_folder(const char *folder, const char *name, const char *kind, const char *path,
                       golden_function function, void *payload) {
    if (!mm_file_exists(path))
        return false;
    mm_error error;
    json_t *data;
    assert_ok(mm_json_read_object(&data, path, GOLDEN_MAX, &error), error);
    const char *found = json_string_value(json_object_get(data, "kind"));
    bool wanted = !kind || (found && strcmp(found, kind) == 0);
    if (wanted) {
        const json_t *observed =
            json_object_get(json_object_get(data, "tolerance_observed"), "max_abs_f32_vs_f64");
        double tolerance = 20.0 * json_number_value(observed);
        golden_case golden = {folder, name, data, tolerance > 2e-5 ? tolerance : 2e-5};
        function(&golden, payload);
    }
    json_decref(data);
    return wanted;
}

static size_t run_folders(const char *root, const char *kind, golden_function function,
                          void *payload) {
    struct dirent **entries;
    int count = scandir(root, &entries, NULL, alphasort);
    if (count < 0) {
        print_message("no golden folders at %s\n", root);
        return 0;
    }
    size_t ran = 0;
    for (int i = 0; i < count; i++) {
        char folder[PATH_SIZE], path[PATH_SIZE + 16];
        snprintf(folder, sizeof folder, "%s/%s", root, entries[i]->d_name);
        snprintf(path, sizeof path, "%s/golden.json", folder);
        if (entries[i]->d_name[0] != '.' &&
            run_folder(folder, entries[i]->d_name, kind, path, function, payload))
            ran++;
        free(entries[i]);
    }
    free(entries);
    return ran;
}

size_t golden_each(const char *kind, golden_function function, void *payload) {
    size_t ran = run_folders(MM_TESTS_DIR "/golden/models", kind, function, payload);
    return ran + run_folders(MM_SHARED_DIR "/golden", kind, function, payload);
}

bool golden_real_model(const char *name, golden_function function, void *payload) {
    char folder[PATH_SIZE], path[PATH_SIZE];
    snprintf(folder, sizeof folder, MM_SHARED_DIR "/models/%s", name);
    snprintf(path, sizeof path, MM_TESTS_DIR "/golden/%s.json", name);
    if (!mm_directory_exists(folder)) {
        print_message("no %s: not compared\n", folder);
        return false;
    }
    return run_folder(folder, name, NULL, path, function, payload);
}

double golden_compare(const float *found, const json_t *expected, size_t count, double tolerance,
                      double cosine, const char *what) {
    if (json_array_size(expected) != count)
        fail_msg("%s: %zu values, expected %zu", what, count, json_array_size(expected));
    double worst = 0.0;
    double dot = 0.0;
    double square_found = 0.0;
    double square_expected = 0.0;
    for (size_t i = 0; i < count; i++) {
        const double want = json_number_value(json_array_get(expected, i));
        const double have = (double)found[i];
        if (!isfinite(have))
            fail_msg("%s: value %zu is %g", what, i, have);
        worst = fmax(worst, fabs(have - want));
        dot += have * want;
        square_found += have * have;
        square_expected += want * want;
    }
    if (worst > tolerance)
        fail_msg("%s: differs by %.3g, allowed %.3g", what, worst, tolerance);
    if (square_expected > 0.0 && dot <= cosine * sqrt(square_found * square_expected))
        fail_msg("%s: cosine %.9f, must be above %.9f", what,
                 dot / sqrt(square_found * square_expected), cosine);
    return worst;
}
