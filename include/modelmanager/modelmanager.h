// SPDX-License-Identifier: Apache-2.0
// model-manager: runs Hugging Face models behind one call.
//
//     mm_manager *manager;
//     mm_manager_create(&manager, NULL, NULL);
//     mm_request *request;
//     mm_request_create(&request, NULL);
//     mm_request_set_text(request, "task_type", "embedding", NULL);
//     mm_request_set_text(request, "model_name", "./all-MiniLM-L6-v2", NULL);
//     mm_request_add_text(request, "How do I reset my password?", SIZE_MAX, NULL);
//     mm_result *result;
//     if (mm_task(&result, manager, request, &error) == MM_STATUS_OK)
//         use(mm_result_vectors(result), mm_result_count(result), mm_result_dimension(result));
//     mm_result_free(result); mm_request_free(request); mm_manager_free(manager);
//
// Rules. Out-parameters come first. What arrives through `T **out` is the caller's to free with the
// matching _free; what is returned as a pointer is borrowed from the object it was asked of. Every
// _free accepts NULL. An mm_error may be NULL; on failure *out is NULL. Strings are UTF-8. A
// manager may be used from any thread; a request, result or settings object from one thread at a
// time.
#ifndef MODELMANAGER_H
#define MODELMANAGER_H

#include "modelmanager/log.h"
#include "modelmanager/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

MM_API const char *mm_version(void); // "0.1.0"

typedef struct mm_manager mm_manager;
typedef struct mm_settings mm_settings;
typedef struct mm_request mm_request;
typedef struct mm_result mm_result;
typedef struct mm_job mm_job;

// ---- Settings ----------------------------------------------------------------------------------
// Names are dotted: "worker_pool.num_workers". Values are JSON text; what is not JSON counts as a
// string. Unknown names and wrong types are INVALID_PARAMETER.

MM_API mm_status mm_settings_create(mm_settings **out, mm_error *error); // all defaults
MM_API void mm_settings_free(mm_settings *settings);
MM_API mm_status mm_settings_set(mm_settings *settings, const char *name, const char *value,
                                 mm_error *error);
// Applies a JSON file of settings.
MM_API mm_status mm_settings_load_file(mm_settings *settings, const char *path, mm_error *error);
// Applies MM_... variables ("__" between levels, e.g. MM_WORKER_POOL__NUM_WORKERS=4). Those of the
// file `dotenv` (may be NULL or missing) fill only variables that are not set; the process
// environment is not changed.
MM_API mm_status mm_settings_load_environment(mm_settings *settings, const char *dotenv,
                                              mm_error *error);
// All settings as a JSON object. The caller frees with mm_text_free.
MM_API mm_status mm_settings_json(char **out, const mm_settings *settings, mm_error *error);

// ---- Manager -----------------------------------------------------------------------------------

// How a download goes on; strings are borrowed for the call.
typedef struct mm_pull_progress {
    size_t struct_size;
    const char *file;               // one that arrives now, its path in the repository
    uint64_t file_bytes, file_size; // of that file
    uint64_t bytes, size;           // of all files that are known to be needed
    size_t files_done, files;
    const char *model_name; // as it was asked for
} mm_pull_progress;
// Called several times a second from the thread that pulls; false stops the download (CANCELLED).
typedef bool (*mm_pull_callback)(const mm_pull_progress *progress, void *payload);

// A deployment is one revision of a model on one class of devices, in one dtype. This is its life.
typedef enum mm_deployment_state {
    MM_DEPLOYMENT_ABSENT,    // holds no memory: never loaded, or released
    MM_DEPLOYMENT_RESOLVING, // its files are downloaded; then it is absent, and loading at once
    MM_DEPLOYMENT_LOADING,
    MM_DEPLOYMENT_READY,
    MM_DEPLOYMENT_DRAINING, // finishes what it works on; new requests wait for the next load
    MM_DEPLOYMENT_FAILED,   // loading or downloading failed: tried again after a while
} mm_deployment_state;
// "absent" and so on, as the status says; never NULL.
MM_API const char *mm_deployment_state_name(mm_deployment_state state);

// A change of state; all is borrowed for the call.
typedef struct mm_deployment_event {
    size_t struct_size;
    const char *model_name; // as Results call it; while resolving as it was asked for
    const char *revision;   // the commit, NULL of a directory; while resolving as it was asked for
    const char *device;     // NULL while resolving: one download is for all devices
    const char *dtype;      // the same
    mm_deployment_state old_state, new_state;
    const mm_error *error; // why it failed, or why a load was given up; else NULL
    size_t missed;         // events before this one that there was no memory for
} mm_deployment_event;
// Called for one change after the other, in their order, from a thread of the manager that does
// nothing else. It may call the manager, but must not wait for further events, and must not free
// the manager; mm_manager_free returns after the last call.
typedef void (*mm_event_callback)(const mm_deployment_event *event, void *payload);

typedef struct mm_manager_options {
    size_t struct_size;          // set by mm_manager_options_init
    const mm_settings *settings; // copied; NULL = defaults and environment
    mm_log_callback log;         // NULL = silent
    void *log_payload;
    mm_pull_callback progress; // of downloads that requests wait for, several at once; or NULL
    void *progress_payload;
    const char *hub_token;    // copied; goes before that of the environment; or NULL
    mm_event_callback events; // told of every change of a deployment's state; or NULL
    void *events_payload;
} mm_manager_options;

MM_API void mm_manager_options_init(mm_manager_options *options);
// `options` NULL = all defaults. Starts the `preload` requests of the settings.
MM_API mm_status mm_manager_create(mm_manager **out, const mm_manager_options *options,
                                   mm_error *error);
// Refuses new work from now on (SHUTTING_DOWN) and waits until all that was begun is answered. What
// is not when `deadline_ms` are over is answered CANCELLED: then the status is TIMEOUT and
// details.cancelled says how many. Negative: without an end; 0: at once. May be called again with
// an earlier deadline, and from any thread but those that call back; mm_manager_free is still due.
MM_API mm_status mm_manager_shutdown(mm_manager *manager, int64_t deadline_ms, mm_error *error);
// Refuses new work (SHUTTING_DOWN), finishes what runs, cancels what waits, releases every model.
MM_API void mm_manager_free(mm_manager *manager);

typedef struct mm_release_info {
    size_t struct_size;
    bool released; // false: it was not loaded, which is no error
    int workers_stopped;
    uint64_t freed_bytes;
} mm_release_info;

// Waits for running work; the memory is back with the system on return. `info` may be NULL; else
// its struct_size must be set.
MM_API mm_status mm_model_release(mm_manager *manager, const char *model_name,
                                  mm_release_info *info, mm_error *error);
// Answers all that waits for the model, also for its download or its load, with CANCELLED and
// {"reason": reason} as details; what runs goes on. `dropped` (may be NULL) is how many those were;
// 0 for a model that nobody waits for, which is no error. `reason` may be NULL; a long one is cut.
MM_API mm_status mm_queue_drop(mm_manager *manager, const char *model_name, const char *reason,
                               size_t *dropped, mm_error *error);
// Status of models, devices and cache as a JSON object (DESIGN: status). Free with mm_text_free.
MM_API mm_status mm_manager_status(char **out, mm_manager *manager, mm_error *error);
// Whether a request would get the memory it needs, without loading anything, as a JSON object:
// fits; weight_bytes, activation_bytes and cache_bytes of its model with all its workers;
// available_bytes of the budget; evicts, the names of models that would have to go first. A request
// without data is planned for its longest text. Free with mm_text_free.
MM_API mm_status mm_manager_plan(char **out, mm_manager *manager, const mm_request *request,
                                 mm_error *error);

// ---- Parameters --------------------------------------------------------------------------------
// One table drives setters, JSON, command line and documentation.

typedef enum mm_parameter_type {
    MM_PARAMETER_TEXT,
    MM_PARAMETER_INTEGER,
    MM_PARAMETER_NUMBER,
    MM_PARAMETER_BOOLEAN,
    MM_PARAMETER_JSON, // a list or another value that JSON can say; `choices` names what it may be
} mm_parameter_type;

enum { MM_TASK_EMBEDDING = 1, MM_TASK_TEXT_GENERATION = 2 };

typedef struct mm_parameter {
    const char *name;
    mm_parameter_type type;
    double minimum, maximum;  // numbers only
    const char *choices;      // texts: "a b c", or NULL for any text; JSON: a description
    const char *default_text; // for people
    unsigned tasks;           // MM_TASK_... bits it applies to
    const char *help;         // one sentence
} mm_parameter;

MM_API size_t mm_parameter_count(void);
MM_API const mm_parameter *mm_parameter_at(size_t index);
MM_API const mm_parameter *mm_parameter_find(const char *name); // NULL if unknown

// ---- Requests ----------------------------------------------------------------------------------
// Setters take parameters by name and check type and range at once: INVALID_PARAMETER names the
// parameter, the value and what is allowed. A value replaces an earlier one.

MM_API mm_status mm_request_create(mm_request **out, mm_error *error);
MM_API void mm_request_free(mm_request *request);
MM_API mm_status mm_request_set_text(mm_request *request, const char *name, const char *value,
                                     mm_error *error);
MM_API mm_status mm_request_set_integer(mm_request *request, const char *name, int64_t value,
                                        mm_error *error);
MM_API mm_status mm_request_set_number(mm_request *request, const char *name, double value,
                                       mm_error *error);
MM_API mm_status mm_request_set_boolean(mm_request *request, const char *name, bool value,
                                        mm_error *error);
// JSON text; what is not JSON counts as a string. For parameters of type MM_PARAMETER_JSON.
MM_API mm_status mm_request_set_json(mm_request *request, const char *name, const char *value,
                                     mm_error *error);
// JSON's null: num_workers becomes the settings' number, any other parameter counts as not given.
MM_API mm_status mm_request_set_null(mm_request *request, const char *name, mm_error *error);
// Adds one text to task_data (copied). length SIZE_MAX = NUL-terminated.
MM_API mm_status mm_request_add_text(mm_request *request, const char *text, size_t length,
                                     mm_error *error);
// That the one text is meant as a string and not as a list of one, as in JSON `"task_data":
// "text"`: the JSON form of a generation's Result then has no lists, if one text was asked for.
MM_API void mm_request_set_single(mm_request *request, bool single);
// Adds one list of token ids to input_ids (copied); a request has texts or ids, not both.
MM_API mm_status mm_request_add_ids(mm_request *request, const int32_t *ids, size_t count,
                                    mm_error *error);
// No data, pre-load only (JSON: "task_data": null). A request with neither texts, ids nor this is
// a valid request for an empty list. What a load leaves to the time after the first answer, so that
// this comes sooner, a pre-load does at once, and the model needs no file any more.
MM_API void mm_request_set_preload(mm_request *request, bool preload);

// ---- Tasks -------------------------------------------------------------------------------------

// Runs a request and waits. On failure *out is NULL and `error` says why.
MM_API mm_status mm_task(mm_result **out, mm_manager *manager, const mm_request *request,
                         mm_error *error);

// Called once per submitted job, from a thread of the manager. `result` is the callback's to free,
// NULL when status is not OK; `error` is borrowed. It may submit further work, but must not block.
typedef void (*mm_task_callback)(mm_job *job, mm_status status, mm_result *result,
                                 const mm_error *error, void *payload);
// Queues a copy of the request. The callback always comes exactly once unless this call itself
// fails.
MM_API mm_status mm_task_submit(mm_job **out, mm_manager *manager, const mm_request *request,
                                mm_task_callback callback, void *payload, mm_error *error);

// A token that was generated; the text is borrowed for the call.
typedef struct mm_token {
    size_t struct_size;
    size_t sequence;  // which text: input * num_return_sequences + i
    int32_t id;       // -1: no token, but the rest of the text
    const char *text; // what has become certain with it, whole characters; often nothing
    size_t length;
    bool is_last; // the last token of its text; only the rest of the text may follow
} mm_token;
// Called from a thread of the manager for every token, those of a text in order: at once, or with
// beams when its search is over. It delays all that this thread generates. False cancels the job.
// The pieces of a text are together what mm_result_generated_text gives.
typedef bool (*mm_token_callback)(mm_job *job, const mm_token *token, void *payload);
// As mm_task_submit; the last call is that of `callback`. Tasks other than text generation have no
// tokens.
MM_API mm_status mm_task_stream(mm_job **out, mm_manager *manager, const mm_request *request,
                                mm_token_callback on_token, mm_task_callback callback,
                                void *payload, mm_error *error);
// The job is answered CANCELLED at once, unless it is done. What runs of it stops at its next step
// or part, or completes unseen.
MM_API void mm_job_cancel(mm_job *job);
MM_API void
mm_job_free(mm_job *job); // drops the handle; does not cancel; callable from the callback

// One JSON request to one JSON Result: {"success": true, "data": {...}} or {"success": false,
// "error": {...}}. Also takes "op": "task" (default), "release", "drop_queue", "status". *out is
// always set and NUL-terminated, unless memory is out; free with mm_text_free. Returns the status
// in the Result.
MM_API mm_status mm_task_json(char **out, mm_manager *manager, const char *json, size_t length);

MM_API void mm_text_free(char *text);

// ---- Results -----------------------------------------------------------------------------------

typedef struct mm_timing { // milliseconds
    double queue_ms, download_ms, load_ms, tokenize_ms, compute_ms, total_ms;
} mm_timing;

MM_API void mm_result_free(mm_result *result);
MM_API size_t mm_result_count(const mm_result *result);     // texts or id lists answered
MM_API size_t mm_result_dimension(const mm_result *result); // values a vector
// Embedding: count x dimension float32, row-major, in the order of the texts.
MM_API const float *mm_result_vectors(const mm_result *result);
MM_API size_t mm_result_tokens(const mm_result *result, size_t index); // after truncation
MM_API bool mm_result_truncated(const mm_result *result, size_t index);
MM_API bool mm_result_cached(const mm_result *result, size_t index); // the embedding cache had it
MM_API const int32_t *mm_result_ids(const mm_result *result, size_t index,
                                    size_t *count); // return_ids
// Text generation: num_return_sequences texts for each input, input by input, best first.
MM_API size_t mm_result_sequences(const mm_result *result);
// UTF-8 with a NUL behind it; `length` may be NULL. It may hold U+0000.
MM_API const char *mm_result_generated_text(const mm_result *result, size_t index, size_t *length);
// Without start token and padding; an end token is there.
MM_API const int32_t *mm_result_output_ids(const mm_result *result, size_t index, size_t *count);
MM_API const char *mm_result_finish_reason(const mm_result *result, size_t index); // stop, length
// False when no beams were searched: then there are no scores.
MM_API bool mm_result_score(float *out, const mm_result *result, size_t index);
MM_API const char *mm_result_prompt(const mm_result *result); // used in front of the texts, or NULL
MM_API const char *mm_result_device(const mm_result *result);
MM_API const char *mm_result_dtype(const mm_result *result);
MM_API const char *mm_result_fingerprint(const mm_result *result);
MM_API void mm_result_timing(const mm_result *result, mm_timing *out);
MM_API bool mm_result_preloaded(const mm_result *result);
// The Result as one line of JSON, as mm_task_json prints it; `result` NULL: the failure in `error`.
// Free with mm_text_free. Fails only when memory is out.
MM_API mm_status mm_result_json(char **out, const mm_result *result, const mm_error *error);

// ---- Tools -------------------------------------------------------------------------------------

// A model or tokenizer file's tokenizer, for tools; any thread may encode.
typedef struct mm_text_codec mm_text_codec;
MM_API mm_status mm_text_codec_open(mm_text_codec **out, mm_manager *manager, const char *model,
                                    mm_error *error);
MM_API void mm_text_codec_free(mm_text_codec *codec);
// One JSON object in, one out, as `mm tokenize --jsonl` documents it. Free with mm_text_free.
MM_API mm_status mm_text_codec_json(char **out, const mm_text_codec *codec, const char *json,
                                    size_t length);
// What a model is and will cost, without loading weights, as a JSON object. Free with mm_text_free.
MM_API mm_status mm_model_inspect(char **out, mm_manager *manager, const char *model_name,
                                  mm_error *error);
// Downloads what is needed of a model of the Hub into models_dir, or brings it up to date there;
// waits for the end. `revision` NULL = main; `callback` may be NULL. *out says as a JSON object
// what there is now: model_name, revision, directory, files, bytes, downloaded_bytes, from_cache
// (the Hub could not be reached, what was there already is complete). Free with mm_text_free.
MM_API mm_status mm_model_pull(char **out, mm_manager *manager, const char *model_name,
                               const char *revision, mm_pull_callback callback, void *payload,
                               mm_error *error);
// The models of models_dir and of the user's own Hub cache as a JSON object: {"models":
// [{"model_name", "revision", "refs", "complete", "bytes", "last_used" (Unix time), "directory"}]}.
// Free with mm_text_free.
MM_API mm_status mm_model_list(char **out, mm_manager *manager, mm_error *error);
// Removes a model of the Hub from models_dir: all of it, or the snapshot of `revision` with what no
// other needs. *out: {"model_name", "revision", "snapshots", "freed_bytes"}. MODEL_NOT_FOUND when
// it is not there. What is loaded stays loaded. Free with mm_text_free.
MM_API mm_status mm_model_remove(char **out, mm_manager *manager, const char *model_name,
                                 const char *revision, mm_error *error);
// Reads the files of a model of the Hub (`model_name` NULL: of all that are on this machine) and
// compares their hashes: {"good", "models": [{"model_name", "revision", "directory", "files",
// "unchecked", "bytes", "problems": [{"file", "problem"}]}]}. `callback` may be NULL; its `size`
// is that of the snapshot. Free with mm_text_free.
MM_API mm_status mm_model_verify(char **out, mm_manager *manager, const char *model_name,
                                 const char *revision, mm_pull_callback callback, void *payload,
                                 mm_error *error);
// Asks the Hub whose token it is, and keeps it where huggingface_hub does: {"user", "token_name",
// "path"}. MODEL_ACCESS_DENIED when the Hub does not know it. Free with mm_text_free.
MM_API mm_status mm_hub_token_store(char **out, mm_manager *manager, const char *token,
                                    mm_error *error);
// The machine's measured limits: {"threads", "f32_gflops", "bf16_gflops" (or null), "read_gbps"}.
MM_API mm_status mm_bench_peak(char **out, int threads, mm_error *error);

#ifdef __cplusplus
}
#endif
#endif
