// The OpenMP team of this process as a thread pool: under torch, kernels run on torch's own
// threads, and no second pool spins beside it.
#pragma once

#include "runtime/abi.h"

/// A pool of so many threads; its `run` is null when the process has not loaded an OpenMP library.
/// Each thread owns a part of the tasks, the same part of the same number of tasks each time; one
/// that has ended its own takes from the others.
tenon_pool openmp_team(uint32_t threads);
