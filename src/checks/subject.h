// What a filetest is about: a graph or a loop function, taken through the pipeline, interpreted and
// run as native code.
#pragma once

#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/target.h"
#include "checks/values.h"
#include "driver/pipeline.h"

namespace tenon::checks {

class Subject {
 public:
  /// Reads and verifies text of either language; a function enters the pipeline where functions
  /// have become distinct.
  static Result<Subject> read(std::string_view text, const Target& target);

  /// The state after the steps behind `from` (where the subject enters, if empty) up to `to`.
  Result<driver::State> advance(std::string_view from, std::string_view to,
                                const driver::CompileOptions& options) const;

  /// The results for these values by the interpreter of the subject's language, in the order of the
  /// graph's outputs or the function's output buffers. A function's `values` give its parameters,
  /// the number of its `tasks` and a tensor for every buffer.
  Result<std::vector<NamedTensor>> interpret(const Values& values) const;

  /// The same by native code of the whole pipeline.
  Result<std::vector<NamedTensor>> run(const Values& values,
                                       const driver::CompileOptions& options) const;

 private:
  bool is_function() const { return !function_.name.empty(); }
  driver::State begin(const driver::CompileOptions& options) const;
  Result<std::vector<ops::Tensor>> inputs(const Values& values) const;
  Result<ir::Module> module_around(const Values& values) const;

  Target target_;
  ir::Module module_;
  ir::Function function_;
};

}  // namespace tenon::checks
