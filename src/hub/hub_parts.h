// SPDX-License-Identifier: Apache-2.0
// A large file over several connections at once.
//
// Each connection fetches the next piece into memory. Pieces are written in their order, each by
// whoever fetched it, so the incomplete file stays a beginning of the content: it can be hashed on
// the way, and whoever finds it after a crash goes on at its end.
#ifndef MM_HUB_HUB_PARTS_H
#define MM_HUB_HUB_PARTS_H

#include "hub/hub_arrival.h"

// How far a file is. Any thread may read.
typedef struct mm_hub_flow {
    _Atomic uint64_t have;       // bytes of it that are here
    _Atomic uint64_t downloaded; // that came over the network, also what came twice
} mm_hub_flow;

// Whether there is enough left for it to pay.
bool mm_hub_parts_pay(const mm_hub_arrival *arrival);
// Fetches what is missing, with as many of client->spare as are to be had, at most three. OK with
// arrival->have short of the size when the server sends nothing but whole files.
mm_status mm_hub_parts_get(mm_hub_arrival *arrival, mm_hub_client *client, const char *url,
                           mm_hub_flow *flow, mm_error *error);

#endif
