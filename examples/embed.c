// SPDX-License-Identifier: Apache-2.0
// Embeds two texts and prints how alike they are.
//
//     cc embed.c $(pkg-config --cflags --libs modelmanager) -lm -o embed
//     ./embed ./all-MiniLM-L6-v2 "How do I reset my password?" "I cannot log in"
#include <modelmanager/modelmanager.h>

#include <math.h>
#include <stdio.h>

static double cosine(const float *a, const float *b, size_t count) {
    double product = 0, length_a = 0, length_b = 0;
    for (size_t i = 0; i < count; i++) {
        product += (double)a[i] * b[i];
        length_a += (double)a[i] * a[i];
        length_b += (double)b[i] * b[i];
    }
    return product / sqrt(length_a * length_b);
}

int main(int argc, char **argv) {
    if (argc != 4) {
        (void)fprintf(stderr, "usage: embed MODEL TEXT TEXT\n");
        return 2;
    }
    mm_manager *manager = NULL;
    mm_request *request = NULL;
    mm_result *result = NULL;
    mm_error error = {0};
    if (mm_manager_create(&manager, NULL, &error) || mm_request_create(&request, &error) ||
        mm_request_set_text(request, "task_type", "embedding", &error) ||
        mm_request_set_text(request, "model_name", argv[1], &error) ||
        mm_request_add_text(request, argv[2], SIZE_MAX, &error) ||
        mm_request_add_text(request, argv[3], SIZE_MAX, &error) ||
        mm_task(&result, manager, request, &error)) {
        (void)fprintf(stderr, "%s: %s\n", mm_status_name(error.status), error.message);
    } else {
        size_t dimension = mm_result_dimension(result);
        const float *vectors = mm_result_vectors(result);
        printf("%.4f\n", cosine(vectors, vectors + dimension, dimension));
    }
    int status = result ? 0 : 1;
    mm_result_free(result);
    mm_request_free(request);
    mm_manager_free(manager);
    return status;
}
