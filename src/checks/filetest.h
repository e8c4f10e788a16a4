// Filetests: an input, what becomes of it, and values that it must compute, in one file.
//
//   // What the file shows.
//   target x86-64-v3                       // of the code; may be left out
//   ==== input
//   module "m" { ... }                     // or a func
//   ==== step simplify                     // this step alone, and the text after it
//   module "m" { ... }
//   ==== to place without simplify lines place   // every step up to place but simplify; only the
//     place %3 {...}                             // lines in which the regular expression is found
//   ==== to let-common show assembly lines vfmadd
//   ...
//   ==== run                               // inputs, then results (checks/values.h)
//   x: f32[2] = [1, 2]
//   y: f32[2] = [2, 4]
//
// A `run` is evaluated by the interpreter, then by native code with the whole pipeline and with
// what each `without` of the file leaves out; all must give the results. A file whose name begins
// with `fail_` has an input that cannot be read, or that a step refuses:
//
//   ==== error                             // or `error to place`
//   the module is not well formed: ...
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace tenon::checks {

struct Outcome {
  std::vector<std::string> problems;  ///< none: the file is right
  std::string blessed;                ///< the file with what was found in place of what it says
};

/// `must_fail`: whether the file's name says that its input is refused.
Outcome run_filetest(std::string_view text, bool must_fail);

}  // namespace tenon::checks
