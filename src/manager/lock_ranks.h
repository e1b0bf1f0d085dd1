// SPDX-License-Identifier: Apache-2.0
// The order of the manager's locks: who holds one takes only those behind it.
#ifndef MM_MANAGER_LOCK_RANKS_H
#define MM_MANAGER_LOCK_RANKS_H

#include "base/mutex.h"

enum {
    MM_RANK_MANAGER, // manager->lock
    MM_RANK_SHARD,   // of the embedding cache, one shard at a time
    MM_RANK_DISK,    // what waits to be written there
};

#endif
