#include "import/onnx/graph_importer.h"

#include <fmt/format.h>

#include <algorithm>

#include "import/custom.h"
#include "import/onnx/input_shapes.h"
#include "import/onnx/operators.h"
#include "import/source_line.h"

namespace tenon::import::onnx {

using ir::Dim;
using ir::ValueId;

namespace {

constexpr int64_t kOldestOpset = 7;

std::unexpected<Error> bad(std::string message) {
  return fail(ErrorKind::kBadModel, std::move(message));
}

std::optional<int64_t> find_opset(const OpsetImports& opsets, std::string_view domain) {
  for (const auto& [name, version] : opsets) {
    if (name == domain) return version;
  }
  return std::nullopt;
}

/// The stack trace that PyTorch's exporter keeps with a node, or nothing.
std::string_view stack_trace(const Node& node) {
  for (const auto& [key, value] : node.metadata) {
    if (key == "pkg.torch.onnx.stack_trace") return value;
  }
  return {};
}

/// Restores a variable at the end of a block.
template <class T>
class Restore {
 public:
  Restore(T& variable, T value) : variable_(variable), before_(std::exchange(variable, value)) {}
  ~Restore() { variable_ = before_; }
  Restore(const Restore&) = delete;
  Restore& operator=(const Restore&) = delete;

 private:
  T& variable_;
  T before_;
};

}  // namespace

GraphImporter::GraphImporter(const Model& model, TensorReader& tensors,
                             const ImportOptions& options)
    : model_(model), tensors_(tensors), options_(options), emitter_(module_) {}

Result<ir::Module> GraphImporter::run() {
  const std::optional<int64_t> opset = find_opset(model_.opsets, "");
  if (opset && *opset < kOldestOpset) {
    return fail(
        ErrorKind::kUnsupported,
        fmt::format("operator set {}; the oldest supported one is {}", *opset, kOldestOpset), {},
        "convert the model with onnx.version_converter, or export it again");
  }
  Scope scope;
  const Frame frame{&model_.opsets, {}, {}, {}};
  scope_ = &scope;
  frame_ = &frame;
  module_.name = model_.graph.name;
  if (model_.graph.has_sparse_initializers) {
    missing_.add("a sparse initializer", {});
  }
  bind_initializers(model_.graph);
  TENON_TRY_DO(bind_inputs());
  TENON_TRY_DO(import_nodes(model_.graph.nodes));
  if (!missing_.empty()) return std::unexpected(missing_.error());
  TENON_TRY_DO(bind_outputs());
  for (const auto& [location, file] : tensors_.files()) module_.keep_alive(file);
  ir::clean_up(module_);
  return std::move(module_);
}

void GraphImporter::bind_initializers(const Graph& graph) {
  for (const Tensor& tensor : graph.initializers) {
    scope_->names[tensor.name] = {.initializer = &tensor};
  }
}

Result<void> GraphImporter::bind_inputs() {
  InputShapes shapes(model_.graph, options_, module_.dims);
  for (const ValueInfo& input : model_.graph.inputs) {
    if (scope_->names.contains(input.name)) continue;
    const std::optional<ir::DType> dtype = dtype_of(input.elem_type);
    if (!input.is_tensor || !dtype) {
      missing_.add(input.is_tensor ? "an input of " + data_type_name(input.elem_type)
                                   : "an input that is no tensor",
                   {.node = std::string(input.name)});
      TENON_TRY_DO(bind(input.name, {.missing = true}));
      continue;
    }
    TENON_TRY(std::vector<Dim> dims, shapes.dims_of(input));
    const ValueId value = module_.add_input({*dtype, std::move(dims)}, std::string(input.name));
    TENON_TRY_DO(bind(input.name, {.value = value}));
  }
  return shapes.check_options();
}

Result<void> GraphImporter::bind_outputs() {
  if (model_.graph.outputs.empty()) return bad("the graph has no outputs");
  for (const ValueInfo& output : model_.graph.outputs) {
    TENON_TRY(Binding binding, lookup(output.name));
    if (binding.list) {
      return fail(ErrorKind::kUnsupported,
                  fmt::format("output '{}' is a list, which is not supported", output.name));
    }
    if (!binding.value) return bad(fmt::format("output '{}' is left out", output.name));
    module_.graph.outputs.push_back(binding.value);
    module_.graph.output_names.emplace_back(output.name);
  }
  return {};
}

Result<void> GraphImporter::bind(std::string_view name, const Binding& binding) {
  if (!scope_->names.emplace(name, binding).second) {
    return fail(ErrorKind::kBadModel, fmt::format("'{}' is made twice", name), emitter_.where());
  }
  if (binding.value && module_.value(binding.value).name.empty()) {
    module_.value(binding.value).name = name;
  }
  return {};
}

Result<GraphImporter::Binding> GraphImporter::lookup(std::string_view name) {
  for (Scope* scope = scope_; scope; scope = scope->outer) {
    const auto found = scope->names.find(name);
    if (found == scope->names.end()) continue;
    Binding& binding = found->second;
    if (!binding.value && binding.initializer) {
      TENON_TRY(binding.value, import_tensor(*binding.initializer));
      module_.value(binding.value).name = name;
    }
    return binding;
  }
  return fail(ErrorKind::kBadModel, fmt::format("'{}' is read, but nothing before makes it", name),
              emitter_.where());
}

Result<ValueId> GraphImporter::import_tensor(const Tensor& tensor) {
  TENON_TRY(const TensorBytes bytes, tensors_.read(tensor));
  return add_tensor(emitter_, bytes, std::string(tensor.name));
}

Result<void> GraphImporter::import_nodes(const std::vector<Node>& nodes) {
  for (const Node& node : nodes) {
    TENON_TRY_DO(import_node(node));
  }
  return {};
}

AttributeList GraphImporter::resolve_attributes(const Node& node) const {
  AttributeList resolved;
  for (const Attribute& attribute : node.attributes) {
    if (attribute.reference.empty()) {
      resolved.emplace_back(attribute.name, &attribute);
      continue;
    }
    for (const auto& [name, value] : frame_->attributes) {
      if (name == attribute.reference) resolved.emplace_back(attribute.name, value);
    }
  }
  return resolved;
}

ir::OriginId GraphImporter::origin_of(const Node& node) {
  std::string_view name = node.name;
  if (name.empty() && !node.outputs.empty()) name = node.outputs.front();
  std::string source = source_line(stack_trace(node));
  if (source.empty()) source = frame_->source;
  return module_.add_origin(
      {fmt::format("{}{} ({})", frame_->prefix, name, node.op_type), std::move(source)});
}

const ops::CustomOperator* GraphImporter::find_custom(const Node& node) const {
  return import::find_custom(options_, fmt::format("{}::{}", node.domain, node.op_type));
}

const Function* GraphImporter::find_function(const Node& node) const {
  for (const Function& function : model_.functions) {
    if (function.name == node.op_type && function.domain == node.domain &&
        function.overload == node.overload) {
      return &function;
    }
  }
  return nullptr;
}

Result<void> GraphImporter::import_node(const Node& node) {
  if (++node_count_ > options_.limits.nodes) {
    return bad(fmt::format("more than {} nodes once functions are inlined", options_.limits.nodes));
  }
  emitter_.set_origin(origin_of(node));
  const ops::CustomOperator* custom = find_custom(node);
  const Function* function = custom ? nullptr : find_function(node);
  if (!custom && !function && !find_operator(node.domain, node.op_type)) {
    missing_.add(
        fmt::format("operator {}{}{}", node.domain, node.domain.empty() ? "" : ".", node.op_type),
        emitter_.where());
    return bind_missing(node);
  }
  std::vector<Term> inputs;
  bool is_missing = false;
  for (std::string_view name : node.inputs) {
    Binding binding;
    if (!name.empty()) {
      TENON_TRY(binding, lookup(name));
    }
    is_missing |= binding.missing;
    if (binding.initializer && is_packed(binding.initializer->data_type) &&
        node.op_type != "DequantizeLinear") {
      missing_.add(
          fmt::format("{} of {}", node.op_type, data_type_name(binding.initializer->data_type)),
          emitter_.where());
      is_missing = true;
    }
    inputs.push_back({binding.value, binding.list});
  }
  if (is_missing) return bind_missing(node);
  const AttributeList attributes = resolve_attributes(node);
  Result<void> done = function ? import_call(node, *function, std::move(inputs), attributes)
                               : import_operator(node, std::move(inputs), attributes);
  if (done || done.error().kind != ErrorKind::kUnsupported) return done;
  for (const Diagnostic& diagnostic : done.error().diagnostics) {
    // An empty message stands for what is in the list already: something in a body.
    if (!diagnostic.message.empty()) missing_.add(diagnostic.message, diagnostic.where);
  }
  return bind_missing(node);
}

Result<void> GraphImporter::import_operator(const Node& node, std::vector<Term> inputs,
                                            const AttributeList& attributes) {
  const std::optional<int64_t> opset = find_opset(*frame_->opsets, node.domain);
  if (!opset) {
    return fail(ErrorKind::kBadModel,
                fmt::format("uses operators of '{}', which the file does not import",
                            node.domain.empty() ? "ai.onnx" : node.domain),
                emitter_.where());
  }
  NodeContext context(node, *opset, emitter_, *this, std::move(inputs), attributes);
  const ops::CustomOperator* custom = find_custom(node);
  Result<void> done =
      custom ? import_custom(context, *custom) : find_operator(node.domain, node.op_type)(context);
  if (context.attribute_error()) return std::unexpected(*context.attribute_error());
  if (!done) {
    for (Diagnostic& diagnostic : done.error().diagnostics) {
      if (diagnostic.where.node.empty()) diagnostic.where = emitter_.where();
    }
    return done;
  }
  return bind_results(node, context.outputs());
}

Result<void> GraphImporter::bind_results(const Node& node, const std::vector<Term>& results) {
  for (size_t i = 0; i < node.outputs.size(); ++i) {
    if (node.outputs[i].empty()) continue;
    if (i >= results.size() || (!results[i].value && !results[i].list)) {
      return fail(ErrorKind::kUnsupported, fmt::format("output {} of {}", i, node.op_type),
                  emitter_.where());
    }
    TENON_TRY_DO(bind(node.outputs[i], {.value = results[i].value, .list = results[i].list}));
  }
  return {};
}

Result<void> GraphImporter::bind_missing(const Node& node) {
  for (std::string_view output : node.outputs) {
    if (output.empty() || scope_->names.contains(output)) continue;
    TENON_TRY_DO(bind(output, {.missing = true}));
  }
  return {};
}

Result<void> GraphImporter::import_call(const Node& node, const Function& function,
                                        std::vector<Term> inputs, const AttributeList& attributes) {
  if (depth_ == options_.limits.depth) {
    return fail(ErrorKind::kBadModel,
                fmt::format("function '{}' calls itself, or calls are nested more than {} deep",
                            function.name, options_.limits.depth),
                emitter_.where());
  }
  if (inputs.size() > function.inputs.size() || node.outputs.size() > function.outputs.size()) {
    return fail(
        ErrorKind::kBadModel,
        fmt::format("a call of '{}' with more operands or results than it has", function.name),
        emitter_.where());
  }
  Frame frame{&function.opsets, attributes,
              fmt::format("{}{}/", frame_->prefix, node.name.empty() ? node.op_type : node.name),
              emitter_.where().source};
  for (const Attribute& attribute : function.defaults) {
    const bool is_given = std::ranges::find(attributes, attribute.name,
                                            &AttributeList::value_type::first) != attributes.end();
    if (!is_given) frame.attributes.emplace_back(attribute.name, &attribute);
  }
  std::vector<Term> results;
  {
    Scope scope;
    const Restore<Scope*> restore_scope(scope_, &scope);
    const Restore<const Frame*> restore_frame(frame_, &frame);
    const Restore<size_t> restore_depth(depth_, depth_ + 1);
    for (size_t i = 0; i < function.inputs.size(); ++i) {
      const Term given = i < inputs.size() ? inputs[i] : Term();
      TENON_TRY_DO(bind(function.inputs[i], {.value = given.value, .list = given.list}));
    }
    TENON_TRY_DO(import_nodes(function.nodes));
    for (size_t i = 0; i < node.outputs.size(); ++i) {
      TENON_TRY(Binding binding, lookup(function.outputs[i]));
      if (binding.missing && !node.outputs[i].empty()) {
        return fail(ErrorKind::kUnsupported, "", {});
      }
      results.push_back({binding.value, binding.list});
    }
  }
  return bind_results(node, results);
}

Result<std::vector<ValueId>> GraphImporter::import_body(const Graph& body,
                                                        std::span<const ValueId> inputs) {
  if (inputs.size() != body.inputs.size()) {
    return fail(ErrorKind::kBadModel,
                fmt::format("a body with {} inputs is given {}", body.inputs.size(), inputs.size()),
                emitter_.where());
  }
  Scope scope{.outer = scope_, .names = {}};
  const Restore<Scope*> restore_scope(scope_, &scope);
  const ir::OriginId origin = emitter_.origin();
  for (size_t i = 0; i < inputs.size(); ++i) {
    TENON_TRY_DO(bind(body.inputs[i].name, {.value = inputs[i]}));
  }
  bind_initializers(body);
  TENON_TRY_DO(import_nodes(body.nodes));
  std::vector<ValueId> results;
  for (const ValueInfo& output : body.outputs) {
    TENON_TRY(Binding binding, lookup(output.name));
    if (binding.missing) return fail(ErrorKind::kUnsupported, "", {});
    if (!binding.value) {
      return fail(ErrorKind::kUnsupported, "a body whose output is a list or left out",
                  emitter_.where());
    }
    results.push_back(binding.value);
  }
  emitter_.set_origin(origin);
  return results;
}

}  // namespace tenon::import::onnx
