// SPDX-License-Identifier: Apache-2.0
// A team of threads that run one function together (fork and join).
//
// Members wait for work spinning for a moment, then asleep, so that a chain of small steps costs
// about a microsecond each and an idle team costs nothing.
#ifndef MM_BASE_TEAM_H
#define MM_BASE_TEAM_H

#include "base/error.h"

typedef struct mm_team mm_team;

typedef void (*mm_team_function)(void *payload, int member); // member 0 is the calling thread

// `size` >= 1 counts the caller; size 1 starts no thread. The caller frees the team.
mm_status mm_team_create(mm_team **out, int size, mm_error *error);
void mm_team_free(mm_team *team); // accepts NULL; no run may be under way
int mm_team_size(const mm_team *team);
// Calls function(payload, m) once for each member m at the same time; returns when all are done.
// One thread at a time may drive a team, and not from within a run.
void mm_team_run(mm_team *team, mm_team_function function, void *payload);
// Inside a run: waits until every member has arrived. All members must call it equally often.
void mm_team_barrier(mm_team *team);

#endif
