// SPDX-License-Identifier: Apache-2.0
#ifndef MM_CLI_BENCH_TEXTS_H
#define MM_CLI_BENCH_TEXTS_H

#include "modelmanager/modelmanager.h"

#include <stddef.h>

// The texts `mm bench` runs when none are given: the same on every machine and in every run.
// 1,000 of 5 to 14 words when `mixed` is false, else 300 of 4 to 300 words.
mm_status mm_bench_texts(mm_request *request, bool mixed, mm_error *error);

#endif
