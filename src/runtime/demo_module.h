/* A module written by hand, as the compiler would emit it: an example of abi.h, and test data. */
#ifndef TENON_RUNTIME_DEMO_MODULE_H_
#define TENON_RUNTIME_DEMO_MODULE_H_

#include "runtime/abi.h"

#ifdef __cplusplus
extern "C" {
#endif

/* For x: f32[rows, 64], any number of rows, and weights w: f32[64], computes in two steps
 *     y[r, c] = relu(x[r, c] * w[c])
 *     sums[r] = sum over c of y[r, c]
 * with a task for each row. Its weights are w[c] = c - 32. The module lives as long as the program.
 */
const tenon_module* tenon_demo_module(void);

/* The code of its kernels, which may be copied anywhere. */
typedef struct tenon_demo_code {
  const void* start;
  size_t bytes;
} tenon_demo_code;
tenon_demo_code tenon_demo_module_code(void);

#ifdef __cplusplus
}
#endif

#endif /* TENON_RUNTIME_DEMO_MODULE_H_ */
