// SPDX-License-Identifier: Apache-2.0
// The one file that knows PCRE2.
#include "text/regex.h"

#include "base/memory.h"
#include "text/regex_tables.h"
#include "text/regex_tree.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <string.h>

enum {
    STACK_FIRST = 32 * 1024, // of the compiled code, mapped when it is used
    STACK_MOST = 16 * 1024 * 1024,
    HEAP_KIB = 256 * 1024, // of the interpreter, which takes over when that stack is too small
    MATCH_LIMIT = 10000000,
    STEPS = 50000000, // that a text of any length may cost
    STEPS_PER_BYTE = 256,
};

struct mm_regex {
    pcre2_code *code;
    bool compiled;    // to machine code
    bool compiling;   // just now
    mm_error failure; // for MM_REGEX_TOO_LONG
};

struct mm_regex_scratch {
    pcre2_match_data *data;
    pcre2_match_context *context;
    pcre2_jit_stack *stack;
    int64_t steps_left;
    size_t start; // of the match being tried
    size_t last;  // where the callout before was
};

// `data`: the mm_regex, or NULL. PCRE2 10.42 goes through NULL when an allocation fails while it
// compiles to machine code.
static void *allocate(PCRE2_SIZE size, void *data) {
    const mm_regex *regex = data;
    return regex && regex->compiling ? mm_malloc_exempt(size) : mm_malloc(size);
}

static void release(void *memory, void *data) {
    (void)data;
    mm_free(memory);
}

void mm_regex_free(mm_regex *regex) {
    if (!regex)
        return;
    pcre2_code_free(regex->code);
    mm_free(regex);
}

const char *mm_regex_failure(const mm_regex *regex) {
    return regex->failure.message;
}

bool mm_regex_knows_unicode(void) {
    char version[64] = "";
    int length = pcre2_config(PCRE2_CONFIG_UNICODE_VERSION, NULL);
    if (length <= 0 || (size_t)length > sizeof(version))
        return false;
    pcre2_config(PCRE2_CONFIG_UNICODE_VERSION, version);
    return strcmp(version, mm_pcre2_unicode) == 0;
}

// Compiles what regex_write.c wrote.
static mm_status compile(mm_regex *regex, const mm_buffer *pattern, mm_error *error) {
    pcre2_general_context *general = pcre2_general_context_create(allocate, release, regex);
    pcre2_compile_context *context = general ? pcre2_compile_context_create(general) : NULL;
    int problem = PCRE2_ERROR_NOMEMORY;
    size_t at = 0;
    if (context) {
        pcre2_set_newline(context, PCRE2_NEWLINE_LF);
        pcre2_set_bsr(context, PCRE2_BSR_UNICODE);
        regex->code =
            pcre2_compile((PCRE2_SPTR)(pattern->data ? pattern->data : ""), pattern->length,
                          PCRE2_UTF | PCRE2_NO_UTF_CHECK | PCRE2_MULTILINE, &problem, &at, context);
    }
    pcre2_compile_context_free(context);
    pcre2_general_context_free(general);
    if (regex->code) {
        // Without it (no memory, or a system that forbids it) the interpreter runs the pattern.
        regex->compiling = true;
        regex->compiled = pcre2_jit_compile(regex->code, PCRE2_JIT_COMPLETE) == 0;
        regex->compiling = false;
        return MM_STATUS_OK;
    }
    if (problem == PCRE2_ERROR_NOMEMORY || problem == PCRE2_ERROR_HEAP_FAILED)
        return mm_fail_memory(error, "a regular expression");
    PCRE2_UCHAR message[128] = "";
    pcre2_get_error_message(problem, message, sizeof(message));
    return mm_fail(error, MM_STATUS_MODEL_UNSUPPORTED, "%s", (const char *)message);
}

mm_status mm_regex_compile(mm_regex **out, const char *pattern, size_t length, const char *where,
                           mm_error *error) {
    *out = NULL;
    int shown = length > 200 ? 200 : (int)length;
    mm_regex_tree tree = {0};
    mm_buffer written;
    mm_buffer_init(&written, 1 << 20);
    mm_regex *regex = mm_calloc(1, sizeof(*regex));
    mm_status status =
        regex ? mm_regex_read(&tree, pattern, length, error) : mm_fail_memory(error, where);
    if (!status && !mm_regex_write(&tree, &written))
        status = mm_fail_memory(error, where);
    if (!status)
        status = compile(regex, &written, error);
    mm_regex_tree_free(&tree);
    mm_buffer_free(&written);
    if (!status) {
        mm_fail(&regex->failure, MM_STATUS_MODEL_UNSUPPORTED,
                "the tokenizer's pattern \"%.*s\" takes too many steps on this text; split the "
                "text, or use a tokenizer without such a pattern",
                shown, pattern);
        *out = regex;
        return MM_STATUS_OK;
    }
    mm_regex_free(regex);
    if (status != MM_STATUS_OUT_OF_MEMORY)
        mm_error_prefix(error, "%s: the pattern \"%.*s\"", where, shown, pattern);
    return status;
}

// Called around repeats: counts how far the match has gone since the last call.
static int count_steps(pcre2_callout_block *block, void *data) {
    mm_regex_scratch *scratch = data;
    bool begins = block->start_match != scratch->start;
    size_t now = block->current_position, last = begins ? block->start_match : scratch->last;
    scratch->start = block->start_match;
    scratch->steps_left -= (int64_t)(now > last ? now - last : last - now) + 1;
    scratch->last = now;
    return scratch->steps_left < 0 ? PCRE2_ERROR_MATCHLIMIT : 0;
}

void mm_regex_scratch_free(mm_regex_scratch *scratch) {
    if (!scratch)
        return;
    pcre2_match_data_free(scratch->data);
    pcre2_match_context_free(scratch->context);
    pcre2_jit_stack_free(scratch->stack);
    mm_free(scratch);
}

static mm_regex_scratch *make_scratch(void) {
    mm_regex_scratch *scratch = mm_calloc(1, sizeof(*scratch));
    pcre2_general_context *general =
        scratch ? pcre2_general_context_create(allocate, release, NULL) : NULL;
    if (general) {
        scratch->data = pcre2_match_data_create(1, general);
        scratch->context = pcre2_match_context_create(general);
        scratch->stack = pcre2_jit_stack_create(STACK_FIRST, STACK_MOST, general);
    }
    pcre2_general_context_free(general);
    if (!scratch || !scratch->data || !scratch->context) {
        mm_regex_scratch_free(scratch);
        return NULL;
    }
    pcre2_set_match_limit(scratch->context, MATCH_LIMIT);
    pcre2_set_heap_limit(scratch->context, HEAP_KIB);
    pcre2_set_callout(scratch->context, count_steps, scratch);
    if (scratch->stack) // else the compiled code has the 32 KiB of its own
        pcre2_jit_stack_assign(scratch->context, NULL, scratch->stack);
    return scratch;
}

bool mm_regex_begin(mm_regex_search *search, const mm_regex *regex, mm_regex_scratch **scratch,
                    const char *text, size_t length) {
    if (!*scratch)
        *scratch = make_scratch();
    if (!*scratch)
        return false;
    *search = (mm_regex_search){.regex = regex,
                                .text = length ? text : "",
                                .length = length,
                                .scratch = *scratch,
                                .last_end = SIZE_MAX};
    (*scratch)->steps_left = STEPS + (int64_t)length * STEPS_PER_BYTE;
    return true;
}

static int match(const mm_regex_search *search) {
    const mm_regex *regex = search->regex;
    mm_regex_scratch *scratch = search->scratch;
    PCRE2_SPTR text = (PCRE2_SPTR)search->text;
    scratch->start = scratch->last = search->at;
    int found = PCRE2_ERROR_JIT_STACKLIMIT;
    if (regex->compiled)
        found = pcre2_jit_match(regex->code, text, search->length, search->at, 0, scratch->data,
                                scratch->context);
    if (found == PCRE2_ERROR_JIT_STACKLIMIT)
        found = pcre2_match(regex->code, text, search->length, search->at,
                            PCRE2_NO_UTF_CHECK | PCRE2_NO_JIT, scratch->data, scratch->context);
    return found;
}

mm_regex_result mm_regex_next(mm_regex_search *search) {
    while (search->at <= search->length) {
        int found = match(search);
        if (found == PCRE2_ERROR_NOMATCH)
            break;
        if (found == PCRE2_ERROR_NOMEMORY)
            return MM_REGEX_NO_MEMORY;
        const size_t *ends = pcre2_get_ovector_pointer(search->scratch->data);
        if (found < 0 || ends[0] > ends[1])
            return MM_REGEX_TOO_LONG;
        search->start = ends[0];
        search->end = ends[1];
        if (search->start != search->end || search->end != search->last_end) {
            search->at = search->last_end = search->end;
            return MM_REGEX_FOUND;
        }
        size_t step = search->at < search->length ? 1 : 0;
        while (search->at + step < search->length &&
               ((unsigned char)search->text[search->at + step] & 0xC0) == 0x80)
            step++;
        search->at += step ? step : 1;
    }
    return MM_REGEX_END;
}
