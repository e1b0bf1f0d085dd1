// SPDX-License-Identifier: Apache-2.0
// Keeping a token where huggingface_hub keeps it.
#ifndef MM_HUB_HUB_LOGIN_H
#define MM_HUB_HUB_LOGIN_H

#include "hub/hub_client.h"

typedef struct mm_hub_account {
    char *user;       // whose token it is
    char *token_name; // as its owner calls it
    char *path;       // of the file where it now is
} mm_hub_account;

// Asks the Hub whose `token` it is, then writes it to access->token_path and among the tokens in
// stored_tokens beside it, readable by the owner alone. MODEL_ACCESS_DENIED when the Hub does not
// know it: nothing is written then.
mm_status mm_hub_login(mm_hub_account *out, const mm_hub_access *access, const char *token,
                       const mm_hub_watch *watch, mm_error *error);
void mm_hub_account_free(mm_hub_account *account); // leaves a zeroed one

#endif
