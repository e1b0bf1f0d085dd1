// SPDX-License-Identifier: Apache-2.0
#include "base/memory.h"
#include "modelmanager/modelmanager.h"

void mm_text_free(char *text) {
    mm_free(text);
}
