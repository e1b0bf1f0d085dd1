// SPDX-License-Identifier: Apache-2.0
#include "models/sinusoid.h"

#include <math.h>
#include <string.h>

void mm_sinusoid_fill(float *out, int64_t row, int64_t columns, int64_t parameter) {
    (void)parameter;
    const int64_t sines = (columns + 1) / 2;
    for (int64_t i = 0; i < columns; i++) {
        const int64_t pair = i < sines ? i : i - sines;
        const double angle = (double)row / pow(10000.0, 2.0 * (double)pair / (double)columns);
        out[i] = (float)(i < sines ? sin(angle) : cos(angle));
    }
}

// Each step is rounded to float32, since far from the start an angle is known no better than that.
void mm_sinusoid_fill_padded(float *out, int64_t row, int64_t columns, int64_t padding) {
    const int64_t half = columns / 2;
    const float step = (float)(log(10000.0) / (double)(half - 1));
    memset(out, 0, (size_t)columns * sizeof *out);
    for (int64_t i = 0; i < half && row != padding; i++) {
        const float frequency = (float)exp((double)((float)i * -step));
        const float angle = (float)row * frequency;
        out[i] = (float)sin((double)angle);
        out[half + i] = (float)cos((double)angle);
    }
}
