// A loaded model: the module, what it lies in, and the threads that run it.
#pragma once

#include <cstdint>

#include "runtime/abi.h"
#include "runtime/array.h"
#include "runtime/image.h"
#include "runtime/mapping.h"
#include "runtime/pool.h"

/// Read-only once loaded, so that any number of contexts can share it.
struct tenon_model : tenon::runtime::Allocated {
  tenon_module module = {};
  char target[sizeof(tenon_file_header::target)] = {};  ///< of the code; empty in memory
  tenon::runtime::Mapping file;  ///< holds plan and weights; empty for a module in memory
  tenon::runtime::Mapping code;
  tenon::runtime::Array<tenon_kernel> kernels;
  tenon::runtime::ThreadPool* shared_pool = nullptr;  ///< null with a pool of the user's
  tenon_pool pool = {};  ///< the user's, or a view of shared_pool; threads is at least 1

  ~tenon_model() { tenon::runtime::ThreadPool::unshare(shared_pool); }
};
