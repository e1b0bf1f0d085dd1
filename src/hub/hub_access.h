// SPDX-License-Identifier: Apache-2.0
// How the Hub is reached: address, token, patience. From the variables that huggingface_hub reads.
#ifndef MM_HUB_HUB_ACCESS_H
#define MM_HUB_HUB_ACCESS_H

#include "hub/hub_cache.h"

typedef struct mm_hub_access {
    char *endpoint;         // without a slash at its end
    char *token;            // of the environment; or NULL
    char *token_path;       // where it is looked for else, and where mm_hub_login puts it; or NULL
    bool no_implicit_token; // none is sent unless the caller gives one
    char *ca_file, *ca_folder; // certificates to trust in place of the system's; or NULL
    bool offline;
    bool no_links; // files lie in snapshots/ themselves
    long connect_seconds, idle_seconds;
} mm_hub_access;

// HF_ENDPOINT, HF_TOKEN, HUGGING_FACE_HUB_TOKEN, HF_TOKEN_PATH, HF_HOME,
// HF_HUB_DISABLE_IMPLICIT_TOKEN, HF_HUB_OFFLINE, TRANSFORMERS_OFFLINE, HF_HUB_ETAG_TIMEOUT,
// HF_HUB_DOWNLOAD_TIMEOUT, HF_HUB_DISABLE_SYMLINKS, SSL_CERT_FILE (else REQUESTS_CA_BUNDLE,
// CURL_CA_BUNDLE), SSL_CERT_DIR. INVALID_PARAMETER for an endpoint that is no http address.
mm_status mm_hub_access_read(mm_hub_access *out, mm_variable_function variable, const void *payload,
                             mm_error *error);
void mm_hub_access_free(mm_hub_access *access); // leaves a zeroed one
// The token to send: `given` unless NULL, else that of the environment or of the file as it is now.
// *out is the caller's, NULL when there is none. A token that could break a header is
// INVALID_PARAMETER.
mm_status mm_hub_access_token(char **out, const mm_hub_access *access, const char *given,
                              mm_error *error);

#endif
