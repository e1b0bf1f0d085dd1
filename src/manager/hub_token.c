// SPDX-License-Identifier: Apache-2.0
// mm_hub_token_store: a token of the Hub, checked and kept.
#include "hub/hub_login.h"
#include "manager/json_text.h"
#include "manager/state.h"

static bool is_ending(void *payload) {
    mm_manager *manager = payload;
    mm_mutex_lock(&manager->lock);
    bool ending = manager->ending;
    mm_mutex_unlock(&manager->lock);
    return ending;
}

static bool put(mm_buffer *out, const mm_hub_account *account) {
    return mm_buffer_puts(out, "{\"user\": ") && mm_json_put_string_or_null(out, account->user) &&
           mm_buffer_puts(out, ", \"token_name\": ") &&
           mm_json_put_string_or_null(out, account->token_name) &&
           mm_buffer_puts(out, ", \"path\": ") && mm_json_put_string_or_null(out, account->path) &&
           mm_buffer_putc(out, '}');
}

mm_status mm_hub_token_store(char **out, mm_manager *manager, const char *token, mm_error *error) {
    *out = NULL;
    mm_status status = mm_manager_enter(manager, error);
    if (status)
        return status;
    const mm_hub_watch watch = {.cancelled = is_ending, .payload = manager, .log = &manager->log};
    mm_hub_account account;
    mm_buffer text;
    mm_buffer_init(&text, PTRDIFF_MAX);
    status = mm_hub_login(&account, &manager->access, token, &watch, error);
    if (!status && put(&text, &account))
        *out = mm_buffer_detach(&text);
    if (!status && !*out)
        status = mm_fail_memory(error, "the answer of a login");
    mm_buffer_free(&text);
    mm_hub_account_free(&account);
    mm_manager_leave(manager);
    return status;
}
