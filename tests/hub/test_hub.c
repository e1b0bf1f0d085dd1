// SPDX-License-Identifier: Apache-2.0
#include "check.h"

#include "base/memory.h"
#include "hub/hub_cache.h"
#include "scratch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define COMMIT_A "0123456789abcdef0123456789abcdef01234567"
#define COMMIT_B "fedcba9876543210fedcba9876543210fedcba98"

static void test_names(void **state) {
    (void)state;
    static const struct {
        const char *name;
        mm_name_kind kind;
    } good[] = {
        {"/a", MM_NAME_DIRECTORY},          {"./a/b", MM_NAME_DIRECTORY},
        {"../a", MM_NAME_DIRECTORY},        {".", MM_NAME_DIRECTORY},
        {"..", MM_NAME_DIRECTORY},          {"org/name", MM_NAME_REPOSITORY},
        {"a.b/c_d-e", MM_NAME_REPOSITORY},  {"name", MM_NAME_BARE},
        {"all-MiniLM-L6-v2", MM_NAME_BARE},
    };
    mm_name_kind kind;
    mm_error error = {0};
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        assert_ok(mm_hub_name_kind(&kind, good[i].name, &error), error);
        assert_int_equal(kind, good[i].kind);
    }
    static const char *const bad[] = {"a/b/c", "a//b",  "-a",       "a-",    ".a",     "a.",
                                      "a--b",  "a..b",  "a/.b",     "a b",   "a/",     "~/x",
                                      "a\\b",  "x.git", "\xC3\xA9", ".../a", "a/b.git"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_status(mm_hub_name_kind(&kind, bad[i], &error), MM_STATUS_INVALID_PARAMETER, error);
        assert_contains(error.details, "model_name");
    }
    static const char *const revisions[] = {"main", "v1.0", "refs/pr/1", COMMIT_A};
    for (size_t i = 0; i < 4; i++)
        assert_ok(mm_hub_revision_check(revisions[i], &error), error);
    static const char *const wrong[] = {"", "/x", "../x", "a/../b", "a b", "a\\b", "x/", ".x"};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        assert_status(mm_hub_revision_check(wrong[i], &error), MM_STATUS_INVALID_PARAMETER, error);
    assert_true(mm_hub_is_commit(COMMIT_A));
    assert_false(mm_hub_is_commit("0123"));
}

static void put(const char *path, const char *text) {
    assert_non_null(scratch_write(path, text, strlen(text)));
}

// The caches that the tests look in, as the Python library writes them.
static void make_caches(void) {
    put("own/models--sentence-transformers--mini/refs/main", COMMIT_A "\n");
    put("own/models--sentence-transformers--mini/snapshots/" COMMIT_A "/config.json", "{}");
    put("own/models--sentence-transformers--mini/snapshots/" COMMIT_A "/model.safetensors", "");
    put("hub/models--mini/refs/main", COMMIT_B);
    put("hub/models--mini/snapshots/" COMMIT_B "/config.json", "{}");
    put("hub/models--mini/snapshots/" COMMIT_B "/pytorch_model.bin", "");
    put("hub/models--org--model/refs/main", COMMIT_B);
    put("hub/models--org--model/refs/refs/pr/1", COMMIT_A);
    put("hub/models--org--model/snapshots/" COMMIT_B "/config.json", "{}");
    put("hub/models--org--model/snapshots/" COMMIT_B "/model.safetensors.index.json", "{}");
    put("hub/models--org--model/snapshots/" COMMIT_A "/tokenizer.json", "{}");
    put("hub/models--org--half/refs/main", COMMIT_A);
    put("hub/models--org--half/snapshots/" COMMIT_A "/config.json", "{}");
    char link[600];
    assert_true(snprintf(link, sizeof(link), "%s",
                         scratch_path("hub/models--org--half/snapshots/" COMMIT_A
                                      "/model.safetensors")) > 0);
    (void)unlink(link);
    assert_int_equal(symlink("../../blobs/none", link), 0);
    put("hub/models--org--shards/refs/main", COMMIT_A);
    put("hub/models--org--shards/snapshots/" COMMIT_A "/config.json", "{}");
    put("hub/models--org--shards/snapshots/" COMMIT_A "/model.safetensors.index.json",
        "{\"weight_map\": {\"a\": \"first.safetensors\", \"b\": \"second.safetensors\"}}");
    put("hub/models--org--shards/snapshots/" COMMIT_A "/first.safetensors", "");
    put("hub/models--org--pooled/refs/main", COMMIT_A);
    put("hub/models--org--pooled/snapshots/" COMMIT_A "/model.safetensors", "");
    put("hub/models--org--pooled/snapshots/" COMMIT_A "/modules.json",
        "[{\"path\": \"1_Pooling\", \"type\": \"sentence_transformers.models.Pooling\"}]");
    put("hub/models--org--broken/refs/main", "not a commit");
    put("hub/models--sentence-transformers--solo/refs/main", COMMIT_A);
}

static void test_find(void **state) {
    (void)state;
    make_caches();
    char own[600], hub[600];
    assert_true(snprintf(own, sizeof(own), "%s", scratch_path("own")) > 0);
    assert_true(snprintf(hub, sizeof(hub), "%s", scratch_path("hub")) > 0);
    mm_hub_places places = {.models_dir = own, .hub_cache = hub};
    mm_hub_model model;
    mm_error error = {0};
    static const struct {
        const char *name, *revision;
        bool weights;
        const char *canonical, *commit; // NULL: not found
    } cases[] = {
        {"mini", NULL, true, "sentence-transformers/mini", COMMIT_A},
        {"sentence-transformers/mini", "main", true, "sentence-transformers/mini", COMMIT_A},
        {"sentence-transformers/mini", COMMIT_A, true, "sentence-transformers/mini", COMMIT_A},
        {"mini", COMMIT_B, true, "mini", COMMIT_B},
        {"org/model", NULL, true, "org/model", COMMIT_B},
        {"org/model", "refs/pr/1", true, NULL, NULL}, // no weights there
        {"org/model", "refs/pr/1", false, "org/model", COMMIT_A},
        {"org/half", NULL, true, NULL, NULL}, // its weights' blob is missing
        {"org/half", NULL, false, "org/half", COMMIT_A},
        {"org/broken", NULL, false, NULL, NULL},
        {"org/none", NULL, false, NULL, NULL},
        {"solo", NULL, true, NULL, NULL}, // a ref without its snapshot
        {"org/model", "v2", true, NULL, NULL},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        mm_status expected = cases[i].commit ? MM_STATUS_OK : MM_STATUS_MODEL_NOT_FOUND;
        assert_status(mm_hub_find(&model, &places, cases[i].name, cases[i].revision,
                                  cases[i].weights, &error),
                      expected, error);
        if (cases[i].commit) {
            assert_string_equal(model.name, cases[i].canonical);
            assert_string_equal(model.commit, cases[i].commit);
            assert_contains(model.directory, cases[i].commit);
        } else {
            assert_null(model.directory);
            assert_contains(error.message, "mm pull");
        }
        mm_hub_model_free(&model);
    }
    static const char *const lacking[][2] = {
        {"org/half", "lacks its model.safetensors"},
        {"org/shards", "lacks its second.safetensors"},
        {"org/pooled", "lacks its 1_Pooling/config.json"},
        {"org/none", "is not on this machine"},
    };
    for (size_t i = 0; i < sizeof(lacking) / sizeof(lacking[0]); i++) {
        places.offline = i % 2 == 0;
        assert_status(mm_hub_find(&model, &places, lacking[i][0], NULL, true, &error),
                      places.offline ? MM_STATUS_OFFLINE : MM_STATUS_MODEL_NOT_FOUND, error);
        assert_contains(error.message, lacking[i][1]);
    }
    places.offline = true;
    assert_status(mm_hub_find(&model, &places, "org/none", NULL, true, &error), MM_STATUS_OFFLINE,
                  error);
    places = (mm_hub_places){0};
    assert_status(mm_hub_find(&model, &places, "org/none", NULL, true, &error),
                  MM_STATUS_MODEL_NOT_FOUND, error);
}

static void test_directories(void **state) {
    (void)state;
    make_caches();
    mm_hub_places places = {0};
    mm_hub_model model;
    mm_error error = {0};
    char path[600];
    assert_true(snprintf(path, sizeof(path), "%s/../own/.", scratch_path("hub")) > 0);
    assert_ok(mm_hub_find(&model, &places, path, NULL, true, &error), error);
    assert_int_equal(model.kind, MM_NAME_DIRECTORY);
    assert_string_equal(model.name, scratch_path("own"));
    assert_null(model.commit);
    mm_hub_model_free(&model);
    assert_status(mm_hub_find(&model, &places, path, "main", true, &error),
                  MM_STATUS_INVALID_PARAMETER, error);
    assert_status(mm_hub_find(&model, &places, "./no/such", NULL, true, &error),
                  MM_STATUS_MODEL_NOT_FOUND, error);
    assert_status(mm_hub_find(&model, &places, scratch_path("hub/models--mini/refs/main"), NULL,
                              true, &error),
                  MM_STATUS_MODEL_NOT_FOUND, error);
    assert_contains(error.message, "is a file");
}

// `payload`: pairs of name and value, then NULL.
static const char *variable(const void *payload, const char *name) {
    for (const char *const *pair = payload; pair[0]; pair += 2) {
        if (strcmp(pair[0], name) == 0)
            return pair[1];
    }
    return NULL;
}

static void test_cache_path(void **state) {
    (void)state;
    static const struct {
        const char *variables[9];
        const char *expected;
    } cases[] = {
        {{"HF_HUB_CACHE", "/c", "HF_HOME", "/h", "HOME", "/u"}, "/c"},
        {{"HUGGINGFACE_HUB_CACHE", "/c", "HF_HOME", "/h"}, "/c"},
        {{"HF_HUB_CACHE", "", "HF_HOME", "/h", "HOME", "/u"}, "/h/hub"},
        {{"HF_HOME", "~/x", "HOME", "/u"}, "/u/x/hub"},
        {{"HF_HOME", "$A/${B}/$C", "A", "/a", "B", "b"}, "/a/b/$C/hub"},
        {{"HF_HUB_CACHE", "/$/${/${A}$A_", "A", "a"}, "/$/${/a$A_"},
        {{"XDG_CACHE_HOME", "/x", "HOME", "/u"}, "/x/huggingface/hub"},
        {{"HOME", "/u"}, "/u/.cache/huggingface/hub"},
        {{"NOTHING", "x"}, NULL},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char *path;
        mm_error error = {0};
        assert_ok(mm_hub_cache_path(&path, variable, cases[i].variables, &error), error);
        if (cases[i].expected)
            assert_string_equal(path, cases[i].expected);
        else
            assert_null(path);
        mm_free(path);
    }
    assert_true(mm_hub_variable_true("Yes") && mm_hub_variable_true("1"));
    assert_false(mm_hub_variable_true("0") || mm_hub_variable_true(NULL) ||
                 mm_hub_variable_true("2"));
}

static int make_scratch(void **state) {
    (void)state;
    return scratch_create() ? 0 : -1;
}

static int remove_scratch(void **state) {
    (void)state;
    scratch_remove();
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_find),
        cmocka_unit_test(test_directories),
        cmocka_unit_test(test_cache_path),
    };
    return cmocka_run_group_tests(tests, make_scratch, remove_scratch);
}
