#include "interp/graph.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cstring>
#include <optional>
#include <unordered_map>

#include "base/contains.h"
#include "ops/op.h"

namespace tenon::interp {

using ir::Dim;
using ir::ValueId;
using ops::Tensor;

Result<std::map<std::string, int64_t>> bind_symbols(const ir::Module& module,
                                                    std::span<const std::vector<int64_t>> shapes) {
  if (shapes.size() != module.graph.inputs.size()) {
    return fail(ErrorKind::kBadInput, fmt::format("the model has {} inputs but the call gives {}",
                                                  module.graph.inputs.size(), shapes.size()));
  }
  std::map<std::string, int64_t> symbols;
  auto type_of = [&](size_t k) -> const ir::TensorType& {
    return module.value(module.graph.inputs[k]).type;
  };
  auto wrong = [&](size_t k, std::string_view why) {
    return fail(ErrorKind::kBadInput, fmt::format("input '{}' is {} but the call gives [{}]: {}",
                                                  module.value(module.graph.inputs[k]).name,
                                                  ir::to_string(module.dims, type_of(k)),
                                                  fmt::join(shapes[k], ", "), why));
  };
  // Dims that are just a symbol bind it; all others must then agree.
  for (size_t k = 0; k < shapes.size(); ++k) {
    if (type_of(k).rank() != shapes[k].size()) return wrong(k, "another rank");
    for (size_t axis = 0; axis < shapes[k].size(); ++axis) {
      const Dim dim = type_of(k).dims[axis];
      const std::vector<std::string> names = module.dims.symbols(dim);
      if (names.size() == 1 && module.dims.to_string(dim) == names[0])
        symbols.emplace(names[0], shapes[k][axis]);
    }
  }
  for (size_t k = 0; k < shapes.size(); ++k) {
    for (size_t axis = 0; axis < shapes[k].size(); ++axis) {
      int64_t expected = module.dims.evaluate(type_of(k).dims[axis], symbols);
      const auto limit = module.dims.limits().find(module.dims.to_string(type_of(k).dims[axis]));
      if (limit != module.dims.limits().end()) expected = std::min(expected, limit->second);
      if (expected != shapes[k][axis])
        return wrong(k, fmt::format("dim {} must be {}", axis, expected));
    }
  }
  return symbols;
}

ir::Attrs evaluate_dims(const ir::Dims& dims, const ir::Attrs& attrs,
                        const std::map<std::string, int64_t>& symbols) {
  ir::Attrs result = attrs;
  for (const auto& [name, value] : attrs) {
    if (const auto* list = std::get_if<std::vector<Dim>>(&value)) {
      std::vector<Dim> numbers;
      for (Dim dim : *list) numbers.emplace_back(dims.evaluate(dim, symbols));
      result.set(name, std::move(numbers));
    }
  }
  return result;
}

namespace {

int64_t largest_of(const ir::Dims& dims, const std::string& symbol,
                   const std::map<std::string, int64_t>& symbols) {
  const int64_t largest = dims.evaluate(dims.read_symbols().at(symbol), symbols);
  const auto limit = dims.limits().find(symbol);
  return limit == dims.limits().end() ? largest : std::min(largest, limit->second);
}

/// `memory`: where to compute a value; others get memory of their own.
Result<std::vector<Tensor>> evaluate(
    const ir::Module& module, std::span<const Tensor> inputs,
    const std::unordered_map<ValueId, std::span<std::byte>>& memory, const Observer& observer) {
  std::vector<std::vector<int64_t>> shapes;
  for (const Tensor& input : inputs) shapes.push_back(input.shape());
  TENON_TRY(auto symbols, bind_symbols(module, shapes));

  std::vector<std::optional<Tensor>> values(module.value_count());
  std::vector<uint32_t> uses = ir::use_counts(module);
  for (size_t k = 0; k < inputs.size(); ++k) {
    const ValueId id = module.graph.inputs[k];
    if (inputs[k].dtype() != module.value(id).type.dtype) {
      return fail(ErrorKind::kBadInput,
                  fmt::format("input '{}' is {} but the call gives {}", module.value(id).name,
                              ir::to_string(module.value(id).type.dtype),
                              ir::to_string(inputs[k].dtype())));
    }
    values[id.index] = inputs[k];
  }
  // Sizes whose value is known by now get a number.
  const auto read_sizes = [&](std::span<const ValueId> known, const Where& where) -> Result<void> {
    for (const auto& [symbol, value] : module.read_sizes) {
      if (!contains(known, value)) continue;
      const int64_t size = values[value.index]->integer(0);
      const int64_t largest = largest_of(module.dims, symbol, symbols);
      if (size < 0 || size > largest) {
        return fail(ErrorKind::kRuntime,
                    fmt::format("a size of {} where {} is the most there can be", size, largest),
                    where);
      }
      symbols[symbol] = size;
    }
    return {};
  };
  TENON_TRY_DO(read_sizes(module.graph.inputs, {}));
  for (ir::NodeId id : module.graph.nodes) {
    const ir::Node& node = module.node(id);
    std::vector<Tensor> results;
    for (ValueId output : node.outputs) {
      const ir::TensorType& type = module.value(output).type;
      std::vector<int64_t> shape;
      for (Dim dim : type.dims) shape.push_back(module.dims.evaluate(dim, symbols));
      const auto place = memory.find(output);
      results.push_back(place != memory.end()
                            ? Tensor::over(type.dtype, std::move(shape), place->second)
                            : Tensor(type.dtype, std::move(shape)));
    }
    if (node.op == ir::Op::kConstant || node.op == ir::Op::kParameter) {
      const ir::Data& data = module.data(node.attrs.data("data"));
      results[0] = Tensor::borrow(data.type.dtype, results[0].shape(), data.bytes);
    } else {
      std::vector<Tensor*> result_pointers;
      for (Tensor& result : results) result_pointers.push_back(&result);
      std::vector<const Tensor*> operands;
      for (ValueId input : node.inputs) operands.push_back(input ? &*values[input.index] : nullptr);
      const ir::Attrs attrs = evaluate_dims(module.dims, node.attrs, symbols);
      ops::EvaluateContext context{attrs, operands, result_pointers};
      if (ops::Evaluated done = ops::operator_of(node.op).evaluate(context); !done) {
        return fail(ErrorKind::kRuntime, done.error(), module.where(id));
      }
    }
    for (size_t r = 0; r < results.size(); ++r) {
      if (observer) observer(node.outputs[r], results[r]);
      values[node.outputs[r].index] = std::move(results[r]);
    }
    TENON_TRY_DO(read_sizes(node.outputs, module.where(id)));
    for (ValueId input : node.inputs) {
      if (input && --uses[input.index] == 0) values[input.index].reset();
    }
  }
  std::vector<Tensor> outputs;
  for (ValueId output : module.graph.outputs) outputs.push_back(*values[output.index]);
  return outputs;
}

}  // namespace

Result<std::vector<Tensor>> run(const ir::Module& module, std::span<const Tensor> inputs,
                                const Observer& observer) {
  return evaluate(module, inputs, {}, observer);
}

Result<void> run_into(const ir::Module& module, std::span<const std::span<std::byte>> outputs) {
  std::unordered_map<ValueId, std::span<std::byte>> memory;
  for (size_t k = 0; k < outputs.size(); ++k) {
    if (!outputs[k].empty()) memory.try_emplace(module.graph.outputs[k], outputs[k]);
  }
  TENON_TRY(const std::vector<Tensor> results, evaluate(module, {}, memory, {}));
  for (size_t k = 0; k < outputs.size(); ++k) {
    if (!outputs[k].empty() && results[k].bytes() != outputs[k].data())
      std::memcpy(outputs[k].data(), results[k].bytes(), outputs[k].size());
  }
  return {};
}

}  // namespace tenon::interp
