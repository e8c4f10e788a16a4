#include "import/pt2/schema.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <limits>
#include <nlohmann/json.hpp>
#include <utility>

namespace tenon::import::pt2 {
namespace {

using Json = nlohmann::json;

constexpr int64_t kMajor = 8;
/// Objects and lists within each other. A graph within a graph takes about eight.
constexpr int kDeepest = 200;

struct BadJson {
  std::string message;
  ErrorKind kind = ErrorKind::kBadModel;
};

/// Walks the JSON; what is wrong is thrown as BadJson, and `place` says where that was.
class Reader {
 public:
  explicit Reader(const Limits& limits) : limits_(limits) {}

  Program program(const Json& json);
  std::map<std::string, StoredTensor> weights(const Json& json);
  std::string place() const { return fmt::format("{}", fmt::join(path_, " > ")); }

 private:
  /// Runs `body` at a place; the place stays on the path when body throws.
  template <class Body>
  auto at(std::string place, Body body) {
    path_.push_back(std::move(place));
    auto result = body();
    path_.pop_back();
    return result;
  }

  static const Json* find(const Json& object, const char* name) {
    if (!object.is_object()) throw BadJson("an object is missing");
    const auto entry = object.find(name);
    return entry == object.end() || entry->is_null() ? nullptr : &*entry;
  }
  static const Json& field(const Json& object, const char* name) {
    const Json* value = find(object, name);
    if (!value) throw BadJson(fmt::format("field '{}' is missing", name));
    return *value;
  }
  /// The one entry of an object that stands for a union.
  static std::pair<std::string, const Json*> tagged(const Json& object) {
    if (!object.is_object() || object.size() != 1) throw BadJson("a union without its one kind");
    return {object.begin().key(), &object.begin().value()};
  }
  static int64_t integer(const Json& json) {
    if (!json.is_number_integer() ||
        (json.is_number_unsigned() &&
         json.get<uint64_t>() > uint64_t{std::numeric_limits<int64_t>::max()})) {
      throw BadJson("no whole number of 64 bits");
    }
    return json.get<int64_t>();
  }
  static bool boolean(const Json& json) {
    if (!json.is_boolean()) throw BadJson("neither true nor false");
    return json.get<bool>();
  }
  static std::string text(const Json& json) {
    if (!json.is_string()) throw BadJson("no text");
    return json.get<std::string>();
  }
  static std::string text_or(const Json& object, const char* name, std::string otherwise) {
    const Json* value = find(object, name);
    return value ? text(*value) : std::move(otherwise);
  }
  static double number(const Json& json) {
    if (json.is_string()) {
      const std::string word = json.get<std::string>();
      if (word == "Infinity") return std::numeric_limits<double>::infinity();
      if (word == "-Infinity") return -std::numeric_limits<double>::infinity();
      if (word == "NaN") return std::numeric_limits<double>::quiet_NaN();
    }
    if (!json.is_number()) throw BadJson("no number");
    return json.get<double>();
  }
  static const Json& list(const Json& json) {
    if (!json.is_array()) throw BadJson("no list");
    return json;
  }
  static const Json& object(const Json& json) {
    if (!json.is_object()) throw BadJson("no object");
    return json;
  }

  template <class Element>
  auto elements(const Json& json, const char* what, Element element) {
    std::vector<decltype(element(json))> result;
    for (const Json& one : list(json)) {
      result.push_back(at(fmt::format("{} {}", what, result.size()), [&] { return element(one); }));
    }
    return result;
  }

  Size size(const Json& json);
  TensorMeta tensor_meta(const Json& json);
  Argument argument(const Json& json);
  Argument argument_of(std::string kind, const Json& value);
  std::vector<Argument> arguments(const std::string& kind, const Json& value);
  Node node(const Json& json);
  Graph graph(const Json& json);
  AtenInput input_spec(const Json& json);
  OutputSpec output_spec(const Json& json);
  void signature(const Json& graph_module, Program& program);

  const Limits& limits_;
  size_t nodes_ = 0;
  std::vector<std::string> path_;
};

Size Reader::size(const Json& json) {
  const auto [kind, value] = tagged(json);
  if (kind == "as_int") return {integer(*value), {}};
  if (kind != "as_expr") throw BadJson(fmt::format("a size of the unknown kind '{}'", kind));
  Size result{text(field(*value, "expr_str")), {}};
  if (const Json* hint = find(*value, "hint")) {
    const auto [hint_kind, number] = tagged(*hint);
    if (hint_kind == "as_int") result.hint = integer(*number);
  }
  return result;
}

TensorMeta Reader::tensor_meta(const Json& json) {
  TensorMeta meta;
  meta.scalar_type = integer(field(json, "dtype"));
  meta.layout = integer(field(json, "layout"));
  meta.sizes = elements(field(json, "sizes"), "size", [&](const Json& one) { return size(one); });
  meta.strides =
      elements(field(json, "strides"), "stride", [&](const Json& one) { return size(one); });
  meta.storage_offset = size(field(json, "storage_offset"));
  if (meta.sizes.size() > limits_.rank) throw BadJson("more axes than any tensor has");
  if (meta.sizes.size() != meta.strides.size()) throw BadJson("not one stride per size");
  return meta;
}

Argument Reader::argument(const Json& json) {
  const auto [kind, value] = tagged(json);
  return argument_of(kind, *value);
}

/// The elements of a list, whose kinds its own kind tells or which are unions themselves.
std::vector<Argument> Reader::arguments(const std::string& kind, const Json& value) {
  static const std::map<std::string_view, const char*> kind_of_element = {
      {"as_tensors", "as_tensor"}, {"as_ints", "as_int"},       {"as_floats", "as_float"},
      {"as_bools", "as_bool"},     {"as_strings", "as_string"}, {"as_int_lists", "as_ints"}};
  const auto element = kind_of_element.find(kind);
  return elements(value, "element", [&](const Json& one) {
    return element == kind_of_element.end() ? argument(one) : argument_of(element->second, one);
  });
}

Argument Reader::argument_of(std::string kind, const Json& value) {
  Argument result{std::move(kind), {}};
  const std::string& tag = result.kind;
  const auto is = [&](auto... tags) { return ((tag == tags) || ...); };
  if (is("as_none")) {
    result.value = std::monostate();
  } else if (is("as_tensor")) {
    result.value = Reference(text(field(value, "name")));
  } else if (is("as_name")) {
    result.value = Reference(text(value));
  } else if (is("as_int", "as_scalar_type", "as_memory_format", "as_layout")) {
    result.value = integer(value);
  } else if (is("as_float")) {
    result.value = number(value);
  } else if (is("as_bool")) {
    result.value = boolean(value);
  } else if (is("as_string")) {
    result.value = text(value);
  } else if (is("as_device")) {
    result.value = text(field(value, "type"));
  } else if (is("as_sym_int", "as_sym_bool", "as_sym_float", "as_optional_tensor")) {
    result.value = argument(value).value;
  } else if (is("as_tensors", "as_ints", "as_floats", "as_bools", "as_strings", "as_int_lists",
                "as_sym_ints", "as_sym_bools", "as_sym_floats", "as_optional_tensors")) {
    result.value = arguments(tag, value);
  } else if (is("as_graph")) {
    const auto body = std::make_shared<Graph>(
        at("graph " + text(field(value, "name")), [&] { return graph(field(value, "graph")); }));
    result.value = SubGraph(text(field(value, "name")), body);
  } else {
    result.value = Opaque();
  }
  return result;
}

Node Reader::node(const Json& json) {
  if (++nodes_ > limits_.nodes) throw BadJson("more nodes than the limit");
  Node node;
  node.target = text(field(json, "target"));
  node.name = text_or(json, "name", "");
  const Json& inputs = list(field(json, "inputs"));
  if (inputs.size() > limits_.attributes) throw BadJson("more arguments than the limit");
  node.inputs = elements(inputs, "argument", [&](const Json& one) {
    return NamedArgument(text(field(one, "name")), argument(field(one, "arg")));
  });
  node.outputs =
      elements(field(json, "outputs"), "output", [&](const Json& one) { return argument(one); });
  if (const Json* metadata = find(json, "metadata")) {
    node.stack_trace = text_or(*metadata, "stack_trace", "");
  }
  return node;
}

Graph Reader::graph(const Json& json) {
  Graph graph;
  const auto read_argument = [&](const Json& one) { return argument(one); };
  graph.inputs = elements(field(json, "inputs"), "input", read_argument);
  graph.outputs = elements(field(json, "outputs"), "output", read_argument);
  graph.nodes = elements(field(json, "nodes"), "node", [&](const Json& one) { return node(one); });
  for (const auto& [name, meta] : object(field(json, "tensor_values")).items()) {
    graph.tensors[name] = at("tensor " + name, [&] { return tensor_meta(meta); });
  }
  if (const Json* sizes = find(json, "sym_int_values")) {
    for (const auto& [name, value] : object(*sizes).items()) {
      graph.sizes[name] = at("size " + name, [&] { return size(value); });
    }
  }
  return graph;
}

AtenInput Reader::input_spec(const Json& json) {
  using Kind = AtenInput::Kind;
  const auto [kind, value] = tagged(json);
  const auto spec = [&](Kind of, const char* name) {
    return AtenInput{of, "", text(field(*value, name)), true};
  };
  if (kind == "user_input") return {};
  if (kind == "parameter") return spec(Kind::kParameter, "parameter_name");
  if (kind == "tensor_constant") return spec(Kind::kConstant, "tensor_constant_name");
  if (kind == "constant_input") return spec(Kind::kNumber, "name");
  if (kind != "buffer") return {Kind::kOther, "", kind, true};
  AtenInput buffer = spec(Kind::kBuffer, "buffer_name");
  if (const Json* persistent = find(*value, "persistent")) {
    buffer.persistent = boolean(*persistent);
  }
  return buffer;
}

OutputSpec Reader::output_spec(const Json& json) {
  const auto [kind, value] = tagged(json);
  std::string target;
  for (const char* name : {"buffer_name", "parameter_name", "user_input_name"}) {
    if (target.empty()) target = text_or(*value, name, "");
  }
  return {kind, std::move(target)};
}

void Reader::signature(const Json& graph_module, Program& program) {
  if (const Json* signature = find(graph_module, "signature")) {
    program.inputs = elements(field(*signature, "input_specs"), "input",
                              [&](const Json& one) { return input_spec(one); });
    program.outputs = elements(field(*signature, "output_specs"), "output",
                               [&](const Json& one) { return output_spec(one); });
  } else {
    program.inputs.resize(program.graph.inputs.size());
    program.outputs.resize(program.graph.outputs.size(), {"user_output", ""});
  }
  if (program.inputs.size() != program.graph.inputs.size() ||
      program.outputs.size() != program.graph.outputs.size()) {
    throw BadJson("the signature does not have the graph's inputs and outputs");
  }
  for (size_t i = 0; i < program.inputs.size(); ++i) {
    if (const Reference* value = program.graph.inputs[i].reference()) {
      program.inputs[i].name = value->name;
    }
  }
}

Program Reader::program(const Json& json) {
  Program program;
  program.torch_version = text_or(json, "torch_version", "");
  if (const Json* version = find(json, "schema_version")) {
    const int64_t major = integer(field(*version, "major"));
    if (major != kMajor) {
      throw BadJson(
          fmt::format("version {} of torch.export's schema; Tenon reads version {}", major, kMajor),
          ErrorKind::kUnsupported);
    }
  }
  const Json* nested = find(json, "graph_module");
  const Json& graph_module = nested ? *nested : json;
  program.graph = at("graph", [&] { return graph(field(graph_module, "graph")); });
  at("signature", [&] { return signature(graph_module, program), 0; });
  if (const Json* ranges = find(json, "range_constraints")) {
    for (const auto& [name, range] : object(*ranges).items()) {
      const auto bound = [&](const char* which) -> std::optional<int64_t> {
        const Json* value = find(range, which);
        return value && value->is_number_integer() ? std::optional(integer(*value)) : std::nullopt;
      };
      program.ranges[name] = {bound("min_val"), bound("max_val")};
    }
  }
  return program;
}

std::map<std::string, StoredTensor> Reader::weights(const Json& json) {
  std::map<std::string, StoredTensor> tensors;
  for (const auto& [name, entry] : object(field(json, "config")).items()) {
    tensors[name] = at(name, [&] {
      StoredTensor tensor;
      tensor.path = text(field(entry, "path_name"));
      const Json* pickled = find(entry, "use_pickle");
      const Json* meta = find(entry, "tensor_meta");
      tensor.pickled = (pickled && boolean(*pickled)) || !meta;
      if (meta) tensor.meta = tensor_meta(*meta);
      return tensor;
    });
  }
  return tensors;
}

/// What `read` makes of the text.
template <class T, class Read>
Result<T> parse(std::string_view text, const Limits& limits, Read read) {
  Reader reader(limits);
  try {
    if (text.size() > limits.file_bytes) throw BadJson("more text than the limit");
    const Json json = Json::parse(text, [](int depth, Json::parse_event_t, Json&) {
      if (depth > kDeepest) throw BadJson("lists nested too deeply");
      return true;
    });
    return read(reader, json);
  } catch (const BadJson& bad) {
    const std::string place = reader.place();
    return fail(bad.kind, place.empty() ? bad.message : fmt::format("{}: {}", place, bad.message));
  } catch (const Json::exception& error) {
    return fail(ErrorKind::kBadModel, fmt::format("damaged JSON: {}", error.what()));
  }
}

}  // namespace

Result<Program> read_program(std::string_view json, const Limits& limits) {
  return parse<Program>(json, limits,
                        [](Reader& reader, const Json& root) { return reader.program(root); });
}

Result<std::map<std::string, StoredTensor>> read_weights_config(std::string_view json) {
  return parse<std::map<std::string, StoredTensor>>(
      json, Limits(), [](Reader& reader, const Json& root) { return reader.weights(root); });
}

std::optional<ir::DType> dtype_of(int64_t scalar_type) {
  switch (scalar_type) {
    case 1: return ir::DType::kUInt8;
    case 2: return ir::DType::kInt8;
    case 3: return ir::DType::kInt16;
    case 4: return ir::DType::kInt32;
    case 5: return ir::DType::kInt64;
    case 6: return ir::DType::kFloat16;
    case 7: return ir::DType::kFloat32;
    case 8: return ir::DType::kFloat64;
    case 12: return ir::DType::kBool;
    case 13: return ir::DType::kBFloat16;
    case 28: return ir::DType::kUInt16;
    case 34: return ir::DType::kUInt32;
    case 35: return ir::DType::kUInt64;
    default: return std::nullopt;
  }
}

std::string scalar_type_name(int64_t scalar_type) {
  switch (scalar_type) {
    case 9: return "complex32";
    case 10: return "complex64";
    case 11: return "complex128";
    case 29: return "float8_e4m3fn";
    case 30: return "float8_e5m2";
    case 31: return "float8_e4m3fnuz";
    case 32: return "float8_e5m2fnuz";
    case 33: return "float8_e8m0fnu";
    default: break;
  }
  const std::optional<ir::DType> dtype = dtype_of(scalar_type);
  return dtype ? std::string(ir::to_string(*dtype)) : fmt::format("type {}", scalar_type);
}

}  // namespace tenon::import::pt2
