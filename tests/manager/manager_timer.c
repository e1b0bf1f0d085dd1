// SPDX-License-Identifier: Apache-2.0
// The inner loops of bench/manager.py, through the public header, so that nothing but the manager
// is timed. Arguments: the name of a work and what it wants; settings come from the environment.
#include "timer_tools.h"

#include <stdio.h>
#include <string.h>

static const struct {
    const char *name, *arguments;
    int (*run)(int count, char **arguments); // 2: wrong arguments
} works[] = {
    {"overhead", "name|folder BLOCKS", timer_overhead},
    {"callers", "name|folder CALLERS JOBS ROUNDS", timer_callers},
    {"hits", "MODEL CALLS ROUNDS", timer_hits},
    {"reload", "MODEL ROUNDS THREADS", timer_reload},
    {"batching", "MODEL TEXTS CALLERS ROUNDS", timer_batching},
    {"stream", "MODEL...", timer_stream},
    {"swaps", "CALLERS JOBS MODEL...", timer_swaps},
};

int main(int count, char **arguments) {
    int status = 2;
    for (size_t i = 0; i < sizeof(works) / sizeof(*works) && count > 1; i++) {
        if (strcmp(arguments[1], works[i].name) == 0)
            status = works[i].run(count - 2, arguments + 2);
    }
    for (size_t i = 0; i < sizeof(works) / sizeof(*works) && status == 2; i++)
        fprintf(stderr, "usage: manager_timer %s %s\n", works[i].name, works[i].arguments);
    return status;
}
