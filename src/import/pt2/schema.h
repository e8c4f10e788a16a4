// What torch.export writes, as plain structs: the parts of its JSON that an importer needs.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/result.h"
#include "import/aten.h"
#include "import/options.h"
#include "ir/dtype.h"

namespace tenon::import::pt2 {

struct Graph;

/// The name of a value of the graph.
struct Reference {
  std::string name;
};

struct SubGraph {
  std::string name;
  std::shared_ptr<const Graph> graph;
};

/// An argument of a kind that no operator of ours takes.
struct Opaque {};

/// One argument, output or element of a list. `kind` is the schema's tag ("as_ints"); enums such as
/// as_scalar_type are numbers, devices are texts, none is monostate.
struct Argument {
  std::string kind;
  std::variant<std::monostate, bool, int64_t, double, std::string, Reference, SubGraph,
               std::vector<Argument>, Opaque>
      value;

  const Reference* reference() const { return std::get_if<Reference>(&value); }
  bool is_none() const { return std::holds_alternative<std::monostate>(value); }
};

struct NamedArgument {
  std::string name;  ///< in the operator's schema; empty for higher-order operators
  Argument argument;
};

struct Node {
  std::string target;  ///< "torch.ops.aten.relu.default"
  std::string name;    ///< empty in old files
  std::vector<NamedArgument> inputs;
  std::vector<Argument> outputs;
  std::string stack_trace;
};

/// SymInt: a number, or the text of an expression with its value for the example inputs.
struct Size {
  std::variant<int64_t, std::string> value;
  std::optional<int64_t> hint;
};

/// TensorMeta.
struct TensorMeta {
  int64_t scalar_type = 0;
  std::vector<Size> sizes, strides;
  Size storage_offset;
  int64_t layout = 0;
};

struct Graph {
  std::vector<Argument> inputs, outputs;
  std::vector<Node> nodes;
  std::map<std::string, TensorMeta, std::less<>> tensors;
  std::map<std::string, Size, std::less<>> sizes;  ///< values of symbolic integers
};

struct OutputSpec {
  std::string kind;    ///< "user_output", "buffer_mutation", ...
  std::string target;  ///< what a mutation changes
};

struct Range {
  std::optional<int64_t> least, greatest;
};

/// ExportedProgram, or a GraphModule alone. Without a signature all inputs and outputs are the
/// user's.
struct Program {
  Graph graph;
  std::vector<AtenInput> inputs;    ///< one per input of the graph
  std::vector<OutputSpec> outputs;  ///< one per output of the graph
  std::map<std::string, Range> ranges;
  std::string torch_version;  ///< empty when the file does not say
};

/// The error is kBadModel and says where in the text, or kUnsupported for a schema of another
/// major version.
Result<Program> read_program(std::string_view json, const Limits& limits);

/// One tensor of a weights_config.json.
struct StoredTensor {
  std::string path;  ///< of its storage, relative to the folder of the config
  bool pickled = false;
  TensorMeta meta;
};

Result<std::map<std::string, StoredTensor>> read_weights_config(std::string_view json);

/// The element type with this number in torch.export's ScalarType, where Tenon has it.
std::optional<ir::DType> dtype_of(int64_t scalar_type);
/// "complex64": what the number stands for, for messages.
std::string scalar_type_name(int64_t scalar_type);
/// The TensorMeta layout of dense tensors.
inline constexpr int64_t kStrided = 7;

}  // namespace tenon::import::pt2
