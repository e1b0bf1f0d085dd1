// SPDX-License-Identifier: Apache-2.0
// Not a test: what an encoder-decoder computes on the way, for tests/reference/test_seq2seq.py.
//
// Arguments: a model's folder, the file to write, the decoder's start id, the number of steps; then
// the source's ids. Writes float32: the encoder's states [source, hidden], then for each step of
// greedy decoding its logits [output_vocab_size].
#include "base/error.h"
#include "base/memory.h"
#include "models/families.h"
#include "models/seq2seq_block.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { THREADS = 2, LONGEST = 4096 };

typedef struct trace {
    const mm_model_family *family;
    void *state;
    mm_model_info info;
    mm_session *session;
    mm_cache *own, *cross;
    int32_t ids[LONGEST], count;
    int32_t next, position, row_list[LONGEST];
    float *values; // what a run hands out
} trace;

static void check(mm_status status, const mm_error *error) {
    if (!status)
        return;
    fprintf(stderr, "%s\n", error->message);
    exit(1);
}

static const mm_model_family *family_of(const char *model_type) {
    static const mm_model_family *const families[] = {&mm_family_bart, &mm_family_t5};
    for (size_t i = 0; i < sizeof families / sizeof families[0]; i++) {
        for (const char *const *type = families[i]->model_types; *type; type++) {
            if (strcmp(*type, model_type) == 0)
                return families[i];
        }
    }
    fprintf(stderr, "%s is no encoder-decoder\n", model_type);
    exit(2);
}

static mm_batch source_of(const trace *t, const int32_t starts[2]) {
    return (mm_batch){.rows = t->count, .sequences = 1, .ids = t->ids, .starts = starts};
}

static void run_encode(mm_lane *lane, size_t index, void *payload) {
    (void)index;
    trace *t = payload;
    const mm_batch source = source_of(t, (const int32_t[2]){0, t->count});
    const mm_activation states = mm_seq2seq_encode(t->state, lane, &source);
    mm_download(lane, t->values, &states);
}

static void run_start(mm_lane *lane, size_t index, void *payload) {
    (void)index;
    trace *t = payload;
    const mm_batch source = source_of(t, (const int32_t[2]){0, t->count});
    t->family->start(t->state, lane, &source, t->cross, NULL);
}

static void run_step(mm_lane *lane, size_t index, void *payload) {
    (void)index;
    trace *t = payload;
    const int32_t first = 0, past = t->position + 1;
    const mm_step step = {
        .batch = {.rows = 1,
                  .sequences = 1,
                  .ids = &t->next,
                  .starts = (const int32_t[2]){0, 1},
                  .positions = &t->position},
        .rows = &t->position,
        .past = {&first, &past, NULL},
        .source = {&first, &t->count, NULL},
    };
    t->family->step(t->state, lane, &step, t->own, t->cross, t->values);
}

static void run(trace *t, mm_batch_function function, size_t values, FILE *out) {
    mm_error error = {0};
    check(mm_session_run(t->session, 1, function, t, &error), &error);
    if (values > 0 && fwrite(t->values, sizeof *t->values, values, out) != values)
        exit(1);
}

static void decode(trace *t, FILE *out, int32_t start, int32_t steps) {
    const size_t vocabulary = (size_t)t->info.output_vocab_size;
    run(t, run_encode, (size_t)t->count * (size_t)t->info.hidden_size, out);
    run(t, run_start, 0, out);
    t->next = start;
    for (t->position = 0; t->position < steps; t->position++) {
        run(t, run_step, vocabulary, out);
        t->next = 0;
        for (size_t i = 1; i < vocabulary; i++)
            t->next = t->values[i] > t->values[t->next] ? (int32_t)i : t->next;
    }
}

int main(int count, char **arguments) {
    static trace t = {.info.generates = true};
    mm_error error = {0};
    mm_config *config;
    mm_checkpoint *checkpoint;
    mm_backend *backend;
    mm_weights *weights;
    if (count < 6 || count - 5 > LONGEST)
        return 2;
    for (; t.count < count - 5; t.count++)
        t.ids[t.count] = atoi(arguments[5 + t.count]);
    check(mm_config_open(&config, arguments[1], &error), &error);
    check(mm_checkpoint_open(&checkpoint, arguments[1], &error), &error);
    check(mm_backend_cpu_create(&backend, &error), &error);
    check(mm_weights_create(&weights, backend, MM_COMPUTE_F32, &error), &error);
    t.family = family_of(mm_config_model_type(config));
    check(t.family->bind(&t.state, &t.info, config, checkpoint, weights, &error), &error);
    check(mm_weights_pack(weights, NULL, MM_PACK_ALL, THREADS, &error), &error);
    check(mm_session_create(&t.session, backend, THREADS, &error), &error);
    const int64_t floats =
        t.info.row_floats > t.info.step_floats ? t.info.row_floats : t.info.step_floats;
    check(mm_session_reserve(t.session, weights, LONGEST, floats, &error), &error);
    for (int i = 0; i < 2; i++)
        check(mm_cache_create(i ? &t.cross : &t.own, backend, t.info.decoder_layers, LONGEST,
                              t.info.cache_columns, &error),
              &error);
    const int64_t states = t.count * t.info.hidden_size;
    const int64_t most = states > t.info.output_vocab_size ? states : t.info.output_vocab_size;
    t.values = mm_malloc((size_t)most * sizeof *t.values);
    FILE *out = fopen(arguments[2], "wb");
    if (!out || !t.values)
        return 1;
    decode(&t, out, atoi(arguments[3]), atoi(arguments[4]));
    return fclose(out) == 0 ? 0 : 1; // the rest goes with the process
}
