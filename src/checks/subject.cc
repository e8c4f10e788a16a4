#include "checks/subject.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "commands/model.h"
#include "driver/emit.h"
#include "interp/graph.h"
#include "interp/loop.h"
#include "ir/graph_text.h"
#include "ir/loop_text.h"
#include "ir/text_cursor.h"
#include "ir/verify.h"

namespace tenon::checks {
namespace {

constexpr std::string_view kFunctionsBegin = "distinct-functions";

std::unexpected<Error> bad(std::string message) {
  return fail(ErrorKind::kBadInput, std::move(message));
}

bool is_result(const ir::Buffer& buffer) { return buffer.kind == ir::BufferKind::kOutput; }

bool is_argument(const ir::Buffer& buffer) { return buffer.kind != ir::BufferKind::kScratch; }

Result<const NamedTensor*> find(const Values& values, std::string_view name, ir::DType dtype) {
  const NamedTensor* value = values.find(name);
  if (value == nullptr) return bad(fmt::format("there is no value '{}'", name));
  if (value->tensor.dtype() != dtype) {
    return bad(fmt::format("'{}' must be {}", name, ir::to_string(dtype)));
  }
  return value;
}

Result<std::vector<int64_t>> params_of(const ir::Function& function, const Values& values) {
  std::vector<int64_t> params;
  for (const std::string& name : function.params) {
    const auto found = values.numbers.find(name);
    if (found == values.numbers.end()) return bad(fmt::format("there is no number '{}'", name));
    params.push_back(found->second);
  }
  return params;
}

/// Zeroed, so that elements that a function leaves alone compare equal.
ops::Tensor zeros(const ops::Tensor& like) {
  ops::Tensor tensor(like.dtype(), like.shape());
  std::memset(tensor.bytes(), 0, tensor.byte_count());
  return tensor;
}

}  // namespace

Result<Subject> Subject::read(std::string_view text, const Target& target) {
  Subject subject;
  subject.target_ = target;
  if (ir::TextCursor(text).sees("func")) {
    TENON_TRY(subject.function_, ir::parse_function(text));
    return subject;
  }
  TENON_TRY(subject.module_, ir::parse_module(text));
  if (std::string wrong = ir::verify(subject.module_); !wrong.empty()) {
    return fail(ErrorKind::kBadModel, "the module is not well formed: " + wrong);
  }
  return subject;
}

driver::State Subject::begin(const driver::CompileOptions& options) const {
  driver::State state{.module = module_, .target = target_, .options = options};
  if (is_function()) {
    state.functions.push_back(function_);
    state.function_of.push_back(0);
  }
  return state;
}

Result<driver::State> Subject::advance(std::string_view from, std::string_view to,
                                       const driver::CompileOptions& options) const {
  driver::State state = begin(options);
  if (from.empty()) from = is_function() ? kFunctionsBegin : driver::kImport;
  TENON_TRY_DO(driver::run_pipeline(state, from, to));
  return state;
}

Result<std::vector<ops::Tensor>> Subject::inputs(const Values& values) const {
  std::vector<ops::Tensor> tensors;
  for (ir::ValueId id : module_.graph.inputs) {
    const ir::Value& input = module_.value(id);
    TENON_TRY(const NamedTensor* value, find(values, input.name, input.type.dtype));
    tensors.push_back(value->tensor);
  }
  return tensors;
}

Result<std::vector<NamedTensor>> Subject::interpret(const Values& values) const {
  std::vector<NamedTensor> results;
  if (!is_function()) {
    TENON_TRY(const std::vector<ops::Tensor> given, inputs(values));
    TENON_TRY(std::vector<ops::Tensor> tensors, interp::run(module_, given));
    for (size_t i = 0; i < tensors.size(); ++i) {
      results.push_back({module_.graph.output_names[i], std::move(tensors[i])});
    }
    return results;
  }
  TENON_TRY(const std::vector<int64_t> params, params_of(function_, values));
  const auto tasks = values.numbers.find("tasks");
  if (tasks == values.numbers.end()) return bad("there is no number 'tasks'");
  std::vector<ops::Tensor> memory;
  std::vector<void*> buffers;
  for (const ir::Buffer& buffer : function_.buffers) {
    if (!is_argument(buffer)) continue;
    if (buffer.kind == ir::BufferKind::kInOut) return bad("a function with inout buffers");
    TENON_TRY(const NamedTensor* value, find(values, buffer.name, buffer.dtype));
    memory.push_back(is_result(buffer) ? zeros(value->tensor) : value->tensor);
    buffers.push_back(memory.back().bytes());
    if (is_result(buffer)) results.push_back({buffer.name, memory.back()});
  }
  TENON_TRY(const int32_t code, interp::run(function_, buffers, params, 0, tasks->second));
  if (code != 0) return bad(fmt::format("the function ends with code {}", code));
  return results;
}

/// A module whose inputs and outputs are the function's buffers, for a plan of one step.
Result<ir::Module> Subject::module_around(const Values& values) const {
  ir::Module module;
  for (const ir::Buffer& buffer : function_.buffers) {
    if (!is_argument(buffer)) continue;
    TENON_TRY(const NamedTensor* value, find(values, buffer.name, buffer.dtype));
    const std::vector<int64_t>& shape = value->tensor.shape();
    const ir::ValueId id =
        module.add_input({buffer.dtype, {shape.begin(), shape.end()}}, buffer.name);
    module.placements.push_back({.storage = id, .size = value->tensor.count()});
    if (!is_result(buffer)) continue;
    module.graph.inputs.pop_back();
    module.graph.outputs.push_back(id);
    module.graph.output_names.push_back(buffer.name);
  }
  return module;
}

Result<std::vector<NamedTensor>> Subject::run(const Values& values,
                                              const driver::CompileOptions& options) const {
  driver::State state = begin(options);
  std::vector<ops::Tensor> given;
  if (is_function()) {
    TENON_TRY(state, advance({}, "let-common", options));
    TENON_TRY(state.module, module_around(values));
    state.prepare.emplace();
    passes::Kernel& kernel = state.kernels.emplace_back();
    for (size_t i = 0; i < state.module.value_count(); ++i) kernel.buffers.emplace_back(i);
    TENON_TRY(const std::vector<int64_t> params, params_of(function_, values));
    kernel.params.assign(params.begin(), params.end());
    TENON_TRY_DO(driver::emit(state));
    for (ir::ValueId input : state.module.graph.inputs) {
      given.push_back(values.find(state.module.value(input).name)->tensor);
    }
  } else {
    TENON_TRY(state, advance({}, driver::kLastStep, options));
    TENON_TRY(given, inputs(values));
  }
  TENON_TRY(const commands::Model model, commands::Model::load(state.artifact, 1));
  TENON_TRY(std::vector<ops::Tensor> outputs, model.make_outputs(given));
  for (ops::Tensor& output : outputs) output = zeros(output);
  TENON_TRY_DO(model.run(given, outputs));
  std::vector<NamedTensor> results;
  for (auto& [name, tensor] : commands::named_outputs(model, std::move(outputs))) {
    results.push_back({std::move(name), std::move(tensor)});
  }
  return results;
}

}  // namespace tenon::checks
