// Executes a loop function, slowly and exactly as ir/loop.h says: the oracle of generated code.
//
// Where the language leaves a value open: division by zero and a shift too far give 0; a float out
// of an integer's range saturates; scratch starts as 0xAB bytes, so that reading what was never
// written shows. Math functions are those of libm in double precision, rounded to their type.
#pragma once

#include <cstdint>
#include <span>

#include "base/result.h"
#include "ir/loop.h"

namespace tenon::interp {

/// More operations (a lane of an expression counts as one) than this are refused.
inline constexpr int64_t kMaxOperations = 100'000'000;

/// Runs tasks begin <= t < end. `buffers` are the argument buffers in order, `params` the
/// parameters. Returns 0 or the code of the check that failed. An access outside a buffer whose
/// extent is known is an error that names buffer and index; its effects up to there stay.
Result<int32_t> run(const ir::Function& function, std::span<void* const> buffers,
                    std::span<const int64_t> params, int64_t begin, int64_t end);

}  // namespace tenon::interp
