// Other engines beside a model.
#pragma once

#include <filesystem>
#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "commands/command.h"
#include "commands/model.h"

namespace tenon::commands {

struct Contest {
  std::filesystem::path onnx;        ///< the model, for the other engines
  std::vector<std::string> engines;  ///< as tenon.peer knows them
  double seconds = 0;                ///< about how long each engine is timed
};

/// Times `call`, one call of `model` on `inputs`, in turn with the other engines, and reports how
/// many times longer each of them takes. An engine that is missing or fails is reported so.
Result<void> run_contest(const Contest& contest, const Model& model,
                         std::span<const ops::Tensor> inputs,
                         const std::function<Result<void>()>& call, Report& report,
                         nlohmann::ordered_json& json);

}  // namespace tenon::commands
