/* Runs a model of one f32 input and one f32 output:
 *     run_model model.tenon 1 3 224 224 < input.f32 > output.f32     (raw numbers, row-major) */
#include <stdio.h>
#include <stdlib.h>

#include "runtime/abi.h"

/* Elements of a tensor. */
static size_t count(const tenon_tensor* tensor) {
  size_t elements = 1;
  for (uint32_t d = 0; d < tensor->rank; ++d) elements *= (size_t)tensor->dims[d];
  return elements;
}

int main(int argc, char** argv) {
  tenon_error error = {0};
  tenon_tensor x = {.dtype = TENON_F32, .rank = (uint32_t)argc - 2}, y = {0};
  if (argc < 2 || argc > 2 + (int)TENON_MAX_RANK) return 2;
  for (uint32_t d = 0; d < x.rank; ++d) x.dims[d] = atoll(argv[2 + d]);
  x.data = calloc(count(&x), sizeof(float));
  if (fread(x.data, sizeof(float), count(&x), stdin) != count(&x)) return 2;
  tenon_model* model = tenon_load(argv[1], NULL, &error);
  tenon_context* context = model ? tenon_context_create(model, &error) : NULL;
  if (context && tenon_infer(context, &x, &y, &error) == TENON_OK) {
    y.data = malloc(count(&y) * sizeof(float));
    if (tenon_run(context, &x, &y, &error) == TENON_OK)
      fwrite(y.data, sizeof(float), count(&y), stdout);
  }
  if (error.code != TENON_OK) fprintf(stderr, "%s\n", error.message);
  tenon_context_free(context);
  tenon_free(model);
  free(x.data);
  free(y.data);
  return error.code;
}
