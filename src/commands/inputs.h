// The arrays of a call: from an .npz file, or random.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "base/result.h"
#include "commands/model.h"
#include "ops/tensor.h"

namespace tenon::commands {

/// The inputs of a plan as text, one of "x: f32[1, 3, 224, 224]" each; a free size is "?".
std::string signature(const tenon_module& plan, const tenon_binding& binding);

/// One tensor for each input of the model, from the array with its name, or else from in_K or arr_K
/// where K is its position. kBadInput lists all that are missing and what the file has.
Result<std::vector<ops::Tensor>> read_inputs(const Model& model, const std::filesystem::path& npz);

/// The same numbers each time: floats between -1 and 1, integers and bools 0 or 1 (which are valid
/// as indices of anything that is not empty). An input with a free size is kBadInput.
Result<std::vector<ops::Tensor>> random_inputs(const Model& model);

/// read_inputs of a file if one is named, else random_inputs.
Result<std::vector<ops::Tensor>> make_inputs(const Model& model, const std::filesystem::path& npz);

}  // namespace tenon::commands
