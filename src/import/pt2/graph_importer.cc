#include "import/pt2/graph_importer.h"

#include <fmt/format.h>

#include <algorithm>

#include "import/custom.h"
#include "import/source_line.h"

namespace tenon::import::pt2 {

using ir::Dim;
using ir::ValueId;

namespace {

constexpr std::string_view kHigherOrder = "torch.ops.higher_order.";

std::unexpected<Error> bad(std::string message) {
  return fail(ErrorKind::kBadModel, std::move(message));
}

/// "add.Tensor" for "torch.ops.aten.add.Tensor", "relu" for "torch.ops.aten.relu.default", and
/// "prims.iota" for one of another namespace.
std::string operator_name(std::string_view target) {
  for (std::string_view prefix : {"torch.ops.", "aten."}) {
    if (target.starts_with(prefix)) target.remove_prefix(prefix.size());
  }
  constexpr std::string_view kDefault = ".default";
  if (target.ends_with(kDefault)) target.remove_suffix(kDefault.size());
  return std::string(target);
}

/// The operator that gives what this one writes to its first argument: "relu" of "relu_", "__or__"
/// of "__ior__"; empty when it writes nothing.
std::string functional_name(std::string_view name) {
  const size_t end = std::min(name.find('.'), name.size());
  const std::string_view base = name.substr(0, end), overload = name.substr(end);
  if (base.starts_with("__i") && base.ends_with("__")) {
    return fmt::format("__{}{}", base.substr(3), overload);
  }
  if (!base.ends_with('_') || base.ends_with("__")) return {};
  return fmt::format("{}{}", base.substr(0, base.size() - 1), overload);
}

/// Checks of what holds for every input that the file allows, or that only the exporter needs.
bool is_check(std::string_view name) {
  constexpr std::string_view kChecks[] = {"_assert_tensor_metadata", "_assert_scalar",
                                          "_assert_async", "sym_constrain_range",
                                          "sym_constrain_range_for_size"};
  return std::ranges::count(kChecks, name.substr(0, name.find('.'))) > 0;
}

bool is_symbolic(const Argument& output) {
  return output.kind == "as_sym_int" || output.kind == "as_sym_bool" ||
         output.kind == "as_sym_float";
}

/// The names of a node's tensors, those in lists too.
void collect_tensors(const std::vector<Argument>& outputs, std::vector<const Argument*>& into) {
  for (const Argument& output : outputs) {
    if (const auto* list = std::get_if<std::vector<Argument>>(&output.value)) {
      collect_tensors(*list, into);
    } else if (!is_symbolic(output)) {
      into.push_back(&output);
    }
  }
}

}  // namespace

GraphImporter::GraphImporter(const Program& program, const Payloads& payloads,
                             const ImportOptions& options)
    : program_(program),
      payloads_(payloads),
      options_(options),
      emitter_(module_),
      sizes_(program, options, module_.dims) {}

Result<ir::Module> GraphImporter::run() {
  Scope scope{&program_.graph, {}};
  scope_ = &scope;
  TENON_TRY_DO(bind_inputs());
  TENON_TRY_DO(import_nodes(program_.graph));
  emitter_.set_origin({});
  if (!missing_.empty()) return std::unexpected(missing_.error());
  TENON_TRY_DO(check_writes());
  TENON_TRY_DO(bind_outputs());
  ir::clean_up(module_);
  return std::move(module_);
}

Result<void> GraphImporter::bind_inputs() {
  std::vector<std::string> names;
  for (size_t i = 0; i < program_.inputs.size(); ++i) {
    const bool is_tensor = program_.graph.inputs[i].kind == "as_tensor";
    if (program_.inputs[i].kind == AtenInput::Kind::kUser && is_tensor) {
      names.push_back(program_.inputs[i].name);
    }
  }
  TENON_TRY_DO(sizes_.bind_inputs(names));
  for (size_t i = 0; i < program_.inputs.size(); ++i) {
    const AtenInput& input = program_.inputs[i];
    const Argument& argument = program_.graph.inputs[i];
    if (input.kind == AtenInput::Kind::kOther) {
      missing_.add(fmt::format("an input of kind '{}'", input.target), {});
    } else if (argument.kind == "as_tensor") {
      TENON_TRY_DO(bind_input(input));
    } else if (is_symbolic(argument) && !input.name.empty()) {
      TENON_TRY_DO(bind(input.name, size_named(input.name)));
    }
  }
  return {};
}

Result<void> GraphImporter::bind_input(const AtenInput& input) {
  TENON_TRY(const auto in_file, type_in_file(input.name));
  if (!in_file) return bad(fmt::format("input '{}' has no type", input.name));
  TENON_TRY(std::optional<TensorBytes> payload, payloads_(input));
  if (payload) {
    const std::string& name = input.target.empty() ? input.name : input.target;
    if (payload->type != *in_file) {
      return bad(fmt::format("'{}' is {} in the graph, but its elements are {}", name,
                             ir::to_string(module_.dims, *in_file),
                             ir::to_string(module_.dims, payload->type)));
    }
    const ValueId value = add_tensor(emitter_, *payload, name);
    module_.value(value).name = name;
    return bind(input.name, memory_.add(value));
  }
  if (input.kind != AtenInput::Kind::kUser) {
    return bad(fmt::format("the elements of '{}' are missing", input.target));
  }
  TENON_TRY(std::vector<Dim> dims, sizes_.input_dims(input.name));
  return bind(input.name,
              memory_.add(module_.add_input({in_file->dtype, std::move(dims)}, input.name)));
}

Result<void> GraphImporter::check_writes() {
  Error error{ErrorKind::kUnsupported, {}};
  const auto refuse = [&](std::string what) {
    error.diagnostics.push_back(
        {fmt::format("the model writes to {}, which a compiled model cannot keep", what),
         {},
         "export it in inference mode (model.eval()), without caches, and without operators that "
         "write to inputs in place"});
  };
  for (const AtenInput& input : program_.inputs) {
    const auto found = scope_->names.find(input.name);
    const auto* tensor =
        found == scope_->names.end() ? nullptr : std::get_if<TensorId>(&found->second);
    if (!tensor || !memory_.is_written(*tensor)) continue;
    refuse(input.target.empty() ? fmt::format("input '{}'", input.name)
                                : fmt::format("'{}'", input.target));
  }
  for (const OutputSpec& output : program_.outputs) {
    if (output.kind != "user_output") {
      refuse(fmt::format("'{}' ({})", output.target, output.kind));
    }
  }
  if (error.diagnostics.empty()) return {};
  return std::unexpected(std::move(error));
}

Result<void> GraphImporter::bind_outputs() {
  for (const Argument& output : program_.graph.outputs) {
    bool is_missing = false;
    TENON_TRY(const Value value, resolve(output, is_missing));
    if (value.is_none()) continue;
    const Reference* reference = output.reference();
    const std::string name =
        reference ? reference->name : fmt::format("output_{}", module_.graph.outputs.size());
    Emitter::Operand result = ValueId();
    if (const auto* tensor = value.get<TensorValue>()) {
      result = tensor->value;
    } else if (const auto* size = value.get<Dim>()) {
      result = emitter_.from_elements({ir::DType::kInt64, {}}, {*size});
    } else if (const auto* number = value.get<double>()) {
      result = emitter_.number(*number, ir::DType::kFloat32);
    } else if (const auto* flag = value.get<bool>()) {
      result = emitter_.number(*flag ? 1 : 0, ir::DType::kBool);
    } else {
      return fail(ErrorKind::kUnsupported, fmt::format("output '{}' is no tensor", name));
    }
    TENON_TRY(const ValueId one, result);
    module_.graph.outputs.push_back(one);
    module_.graph.output_names.push_back(name);
  }
  if (module_.graph.outputs.empty()) return bad("the graph has no outputs");
  return {};
}

Result<void> GraphImporter::bind(std::string_view name, Binding binding) {
  if (!scope_->names.emplace(name, binding).second) {
    return fail(ErrorKind::kBadModel, fmt::format("'{}' is made twice", name), where());
  }
  if (const auto* tensor = std::get_if<TensorId>(&binding)) {
    TENON_TRY(const ValueId value, memory_.read(*tensor));
    if (module_.value(value).name.empty()) module_.value(value).name = name;
  }
  return {};
}

Result<GraphImporter::Binding> GraphImporter::lookup(std::string_view name) {
  const auto found = scope_->names.find(name);
  if (found != scope_->names.end()) return found->second;
  return fail(ErrorKind::kBadModel, fmt::format("'{}' is read, but nothing before makes it", name),
              where());
}

GraphImporter::Binding GraphImporter::size_named(const std::string& name) {
  const auto size = scope_->graph->sizes.find(name);
  if (size == scope_->graph->sizes.end()) return Undecided();
  const Result<Dim> dim = sizes_.dim(size->second);
  return dim ? Binding(*dim) : Binding(Undecided());
}

Result<std::optional<ir::TensorType>> GraphImporter::type_in_file(const std::string& name) {
  const auto meta = scope_->graph->tensors.find(name);
  if (meta == scope_->graph->tensors.end()) return std::nullopt;
  const std::optional<ir::DType> dtype = dtype_of(meta->second.scalar_type);
  if (!dtype) {
    return fail(ErrorKind::kUnsupported,
                fmt::format("elements of {}", scalar_type_name(meta->second.scalar_type)), where());
  }
  if (meta->second.layout != kStrided) {
    return fail(ErrorKind::kUnsupported, "a sparse tensor", where());
  }
  TENON_TRY(std::vector<Dim> dims, sizes_.dims(meta->second));
  return ir::TensorType{*dtype, std::move(dims)};
}

Result<void> GraphImporter::check_type(const std::string& name, ValueId value) {
  TENON_TRY(const auto in_file, type_in_file(name));
  if (!in_file) return {};
  const ir::TensorType type = emitter_.type(value);
  bool agrees = type.dtype == in_file->dtype && type.rank() == in_file->rank();
  for (size_t i = 0; agrees && i < type.rank(); ++i) {
    agrees = !sizes_.contradicts(type.dims[i], in_file->dims[i]);
  }
  if (agrees) return {};
  return bad(fmt::format("gives '{}' as {}, but the file says {}", name,
                         ir::to_string(module_.dims, type), ir::to_string(module_.dims, *in_file)));
}

Result<Value> GraphImporter::resolve(const Argument& argument, bool& is_missing) {
  if (const auto* list = std::get_if<std::vector<Argument>>(&argument.value)) {
    std::vector<Value> values;
    for (const Argument& one : *list) {
      TENON_TRY(Value value, resolve(one, is_missing));
      values.push_back(std::move(value));
    }
    return Value{std::move(values)};
  }
  if (const Reference* reference = argument.reference()) {
    TENON_TRY(const Binding binding, lookup(reference->name));
    if (const auto* tensor = std::get_if<TensorId>(&binding)) {
      TENON_TRY(const ValueId value, memory_.read(*tensor));
      return Value{TensorValue{*tensor, value}};
    }
    if (const auto* size = std::get_if<Dim>(&binding)) return Value{*size};
    if (const auto* flag = std::get_if<bool>(&binding)) return Value{*flag};
    if (const auto* number = std::get_if<double>(&binding)) return Value{*number};
    if (std::holds_alternative<std::monostate>(binding)) return Value{};
    if (std::holds_alternative<Undecided>(binding)) {
      return fail(ErrorKind::kUnsupported, "a number that depends on the data of inputs", where());
    }
    is_missing = true;
    return Value{};
  }
  if (const auto* flag = std::get_if<bool>(&argument.value)) return Value{*flag};
  if (const auto* integer = std::get_if<int64_t>(&argument.value)) return Value{Dim(*integer)};
  if (const auto* number = std::get_if<double>(&argument.value)) return Value{*number};
  if (const auto* text = std::get_if<std::string>(&argument.value)) return Value{*text};
  if (const auto* body = std::get_if<SubGraph>(&argument.value)) return Value{body->graph};
  if (argument.is_none()) return Value{};
  return fail(ErrorKind::kUnsupported, fmt::format("an argument of kind '{}'", argument.kind),
              where());
}

Result<void> GraphImporter::import_nodes(const Graph& graph) {
  for (const Node& node : graph.nodes) {
    Result<void> done = import_node(node);
    if (done) continue;
    if (done.error().kind != ErrorKind::kUnsupported) return done;
    for (const Diagnostic& diagnostic : done.error().diagnostics) {
      // An empty message stands for what is in the list already.
      if (!diagnostic.message.empty()) missing_.add(diagnostic.message, where());
    }
    TENON_TRY_DO(bind_missing(node));
  }
  return {};
}

/// The user's operator of this name, or the importer's own.
std::optional<Operator> GraphImporter::operator_named(const std::string& name) const {
  std::string in_text = name;  // "mine.swoosh" is written "mine::swoosh"
  if (const size_t dot = name.find('.'); dot != std::string::npos) in_text.replace(dot, 1, "::");
  if (const auto* custom = find_custom(options_, in_text)) return custom_operator(*custom);
  const Operator* own = find_operator(name);
  return own ? std::optional(*own) : std::nullopt;
}

Result<void> GraphImporter::import_node(const Node& node) {
  const std::string name = operator_name(node.target);
  std::string label = node.name;
  if (label.empty() && !node.outputs.empty() && node.outputs[0].reference()) {
    label = node.outputs[0].reference()->name;
  }
  emitter_.set_origin(
      module_.add_origin({fmt::format("{} ({})", label, name), source_line(node.stack_trace)}));
  if (is_check(name)) return {};
  if (!node.outputs.empty() && std::ranges::all_of(node.outputs, is_symbolic)) {
    for (const Argument& output : node.outputs) {
      if (!output.reference()) continue;
      TENON_TRY_DO(bind(output.reference()->name, size_named(output.reference()->name)));
    }
    return {};
  }
  const std::string functional = functional_name(name);
  const std::optional<Operator> row = operator_named(functional.empty() ? name : functional);
  const bool is_call = node.target.starts_with(kHigherOrder);
  if (!row && !is_call) {
    return fail(ErrorKind::kUnsupported, fmt::format("operator {}", name));
  }
  std::vector<NamedValue> arguments;
  bool is_missing = false;
  for (const NamedArgument& input : node.inputs) {
    TENON_TRY(Value value, resolve(input.argument, is_missing));
    arguments.push_back({input.name, std::move(value)});
  }
  if (is_missing) return fail(ErrorKind::kUnsupported, "");
  Result<void> done = is_call ? import_call(node, std::move(arguments))
                              : import_known(node, *row, !functional.empty(), std::move(arguments));
  if (!done) {
    for (Diagnostic& diagnostic : done.error().diagnostics) {
      if (diagnostic.where.node.empty()) diagnostic.where = where();
      if (done.error().kind == ErrorKind::kUnsupported && !diagnostic.message.empty()) {
        diagnostic.message = fmt::format("{}: {}", name, diagnostic.message);
      }
    }
  }
  return done;
}

Result<void> GraphImporter::import_known(const Node& node, const Operator& row, bool in_place,
                                         std::vector<NamedValue> arguments) {
  const std::string name = operator_name(node.target);
  // Twins may name the tensor that is written to in two ways.
  if (in_place && !arguments.empty()) arguments[0].name.clear();
  if (!row.signature.empty()) {
    TENON_TRY(arguments, bind_arguments(row.signature, std::move(arguments)));
  }
  std::vector<const Argument*> outputs;
  collect_tensors(node.outputs, outputs);
  std::optional<ir::TensorType> result;
  if (!outputs.empty() && outputs[0]->reference()) {
    TENON_TRY(result, type_in_file(outputs[0]->reference()->name));
  }
  const std::string functional = functional_name(name);
  NodeContext context(in_place ? functional : name, emitter_, std::move(arguments),
                      std::move(result), outputs.size());
  const Result<void> done = row.import(context);
  if (context.argument_error()) return std::unexpected(*context.argument_error());
  TENON_TRY_DO(done);
  return in_place ? write_back(node, context) : bind_results(node, context);
}

/// Makes the result the elements of the first argument, which the node writes to.
Result<void> GraphImporter::write_back(const Node& node, const NodeContext& context) {
  const auto* target =
      context.argument_count() > 0 ? context.argument(size_t{0}).get<TensorValue>() : nullptr;
  if (!target || context.results().size() != 1) return bad("writes to no tensor");
  const Outcome& outcome = context.results()[0];
  if (outcome.value != target->value) {
    if (outcome.base) {
      return fail(ErrorKind::kUnsupported, "a change of a tensor's own shape");
    }
    TENON_TRY(const ValueId value,
              emitter_.expand(emitter_.cast(outcome.value, emitter_.dtype(target->value)),
                              emitter_.shape(target->value)));
    TENON_TRY_DO(memory_.write(target->id, value));
  }
  for (const Argument& output : node.outputs) {
    if (!output.reference()) continue;
    TENON_TRY(const ValueId value, memory_.read(target->id));
    TENON_TRY_DO(check_type(output.reference()->name, value));
    TENON_TRY_DO(bind(output.reference()->name, target->id));
  }
  return {};
}

Result<void> GraphImporter::bind_results(const Node& node, const NodeContext& context) {
  std::vector<const Argument*> outputs;
  collect_tensors(node.outputs, outputs);
  for (size_t i = 0; i < outputs.size(); ++i) {
    const Reference* reference = outputs[i]->reference();
    if (!reference) continue;
    if (i >= context.results().size() || !context.results()[i].value) {
      // Results that nobody reads are named, too.
      TENON_TRY_DO(bind(reference->name, Undecided()));
      continue;
    }
    const Outcome& outcome = context.results()[i];
    TENON_TRY_DO(check_type(reference->name, outcome.value));
    TensorId tensor;
    if (outcome.base) {
      TENON_TRY(tensor, memory_.add_view(outcome.base, outcome.view, outcome.value));
    } else {
      tensor = memory_.add(outcome.value);
    }
    TENON_TRY_DO(bind(reference->name, tensor));
  }
  return {};
}

Result<void> GraphImporter::bind_missing(const Node& node) {
  std::vector<const Argument*> outputs;
  collect_tensors(node.outputs, outputs);
  for (const Argument* output : outputs) {
    if (!output->reference() || scope_->names.contains(output->reference()->name)) continue;
    TENON_TRY_DO(bind(output->reference()->name, Missing()));
  }
  return {};
}

/// Graphs that are run where they stand: their nodes take the call's place.
Result<void> GraphImporter::import_call(const Node& node, std::vector<NamedValue> arguments) {
  const std::string name = node.target.substr(kHigherOrder.size());
  size_t body_at = 0;
  if (name == "wrap_with_set_grad_enabled") {
    body_at = 1;
  } else if (name == "wrap_with_autocast") {
    const bool* enabled = arguments.size() > 4 ? arguments[2].value.get<bool>() : nullptr;
    if (!enabled || *enabled) return fail(ErrorKind::kUnsupported, "a region of autocast");
    body_at = 4;
  } else if (name != "invoke_subgraph") {
    return fail(ErrorKind::kUnsupported, "control flow of this kind");
  }
  const auto* body = body_at < arguments.size()
                         ? arguments[body_at].value.get<std::shared_ptr<const Graph>>()
                         : nullptr;
  const size_t first = body_at + (name == "invoke_subgraph" ? 2 : 1);
  if (!body || arguments.size() < first || arguments.size() - first != (*body)->inputs.size()) {
    return bad("a call that does not give the graph its inputs");
  }
  Scope scope{body->get(), {}};
  Scope* outer = std::exchange(scope_, &scope);
  const ir::OriginId origin = emitter_.origin();
  const auto run = [&]() -> Result<std::vector<Value>> {
    for (size_t i = 0; i < (*body)->inputs.size(); ++i) {
      const Reference* input = (*body)->inputs[i].reference();
      if (!input) continue;
      const Value& given = arguments[first + i].value;
      Binding binding = std::monostate();
      if (const auto* tensor = given.get<TensorValue>()) binding = tensor->id;
      if (const auto* size = given.get<Dim>()) binding = *size;
      if (const auto* flag = given.get<bool>()) binding = *flag;
      if (const auto* number = given.get<double>()) binding = *number;
      TENON_TRY_DO(bind(input->name, binding));
    }
    TENON_TRY_DO(import_nodes(**body));
    std::vector<Value> results;
    bool is_missing = false;
    for (const Argument& output : (*body)->outputs) {
      TENON_TRY(Value value, resolve(output, is_missing));
      results.push_back(std::move(value));
    }
    if (is_missing) return fail(ErrorKind::kUnsupported, "");
    return results;
  };
  Result<std::vector<Value>> results = run();
  scope_ = outer;
  emitter_.set_origin(origin);
  if (!results) return std::unexpected(std::move(results).error());
  std::vector<const Argument*> outputs;
  collect_tensors(node.outputs, outputs);
  for (size_t i = 0; i < outputs.size() && i < results->size(); ++i) {
    if (!outputs[i]->reference()) continue;
    const auto* tensor = (*results)[i].get<TensorValue>();
    if (!tensor) return fail(ErrorKind::kUnsupported, "a graph that gives no tensors");
    TENON_TRY_DO(bind(outputs[i]->reference()->name, tensor->id));
  }
  return {};
}

}  // namespace tenon::import::pt2
