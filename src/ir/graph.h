// The graph language: tensors and operators as data. Nodes and values are plain structs in vectors
// of a `Module`, named by typed ids; what an operator means is in ops/.
//
// Ownership: a Module owns everything but the bytes of large data, which are spans into memory that
// `keep_alive` holds. Dead nodes and values stay in the vectors until the module goes; a graph's
// `nodes` list says what is alive.
#pragma once

#include <cstddef>
#include <initializer_list>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/id.h"
#include "base/result.h"
#include "ir/dim.h"
#include "ir/dtype.h"

namespace tenon::ir {

using ValueId = Id<struct ValueTag>;
using NodeId = Id<struct NodeTag>;
using DataId = Id<struct DataTag>;
using OriginId = Id<struct OriginTag>;

enum class Op : uint16_t {
#define OP(name, text, signature) name,
#include "ir/graph.def"
};

/// What a value is: an element type and one dim per axis (none for a scalar).
struct TensorType {
  DType dtype = DType::kFloat32;
  std::vector<Dim> dims;

  size_t rank() const { return dims.size(); }
  bool is_static() const;
  /// Number of elements; only for a static type.
  int64_t element_count() const;
  bool operator==(const TensorType&) const = default;
};

/// Bytes of a tensor, dense and row-major, in the host's byte order. A parameter that `prepare`
/// will compute has none yet.
struct Data {
  TensorType type;  ///< static
  std::span<const std::byte> bytes;
  std::string name;  ///< of the parameter in the model, for messages; may be empty
};

using AttrValue = std::variant<int64_t, double, bool, std::string, DType, std::vector<int64_t>,
                               std::vector<double>, std::vector<Dim>, DataId>;

/// A node's attributes by name. A getter for an attribute that is absent or of another kind is an
/// internal error: `verify` has seen every node against its row first.
class Attrs {
 public:
  Attrs() = default;
  Attrs(std::initializer_list<std::pair<std::string_view, AttrValue>> list);

  bool has(std::string_view name) const { return find(name) != nullptr; }
  int64_t integer(std::string_view name) const;
  int64_t integer_or(std::string_view name, int64_t otherwise) const;
  double number(std::string_view name) const;
  bool flag(std::string_view name) const;
  bool flag_or(std::string_view name, bool otherwise) const;
  const std::string& text(std::string_view name) const;
  DType dtype(std::string_view name) const;
  const std::vector<int64_t>& integers(std::string_view name) const;
  const std::vector<double>& numbers(std::string_view name) const;
  const std::vector<Dim>& dims(std::string_view name) const;
  DataId data(std::string_view name) const;

  void set(std::string_view name, AttrValue value);
  void erase(std::string_view name);
  const AttrValue* find(std::string_view name) const;
  auto begin() const { return entries_.begin(); }
  auto end() const { return entries_.end(); }
  bool operator==(const Attrs&) const = default;

 private:
  std::vector<std::pair<std::string, AttrValue>> entries_;  // sorted by name
};

/// Where a node comes from in the user's model.
struct Origin {
  std::string node;    ///< name and operator in the file
  std::string source;  ///< PyTorch line, or empty
};

struct Value {
  TensorType type;
  NodeId producer;      ///< none for a graph input
  uint32_t result = 0;  ///< which result of the producer
  std::string name;     ///< from the file; may be empty; not unique
};

struct Node {
  Op op;
  std::vector<ValueId> inputs;  ///< an absent optional operand is a none id
  std::vector<ValueId> outputs;
  Attrs attrs;
  OriginId origin;
};

/// Where a value lies, from `place` on. Values that share memory (views, concatenated parts) have
/// one storage; element (i, j, ...) of the value is element offset + i*strides[0] + j*strides[1] +
/// ... of it.
struct Placement {
  ValueId storage;  ///< the value that owns the memory; itself for an owner; none: not placed
  Dim offset;
  std::vector<Dim> strides;  ///< in elements; 0 along a broadcast axis
  Dim size;                  ///< of an owner: elements of the storage, halo included
  std::vector<int64_t>
      halo;  ///< of an owner with zeros around it: befores, then afters, per axis; else empty

  bool operator==(const Placement&) const = default;
};

/// Nodes that become one kernel: one heavy node with what is fused into it, or elementwise nodes
/// alone.
struct Group {
  std::vector<NodeId> nodes;  ///< producers first
  NodeId anchor;              ///< the node whose loops the kernel has; none: elementwise nodes only
};

/// A size that is known only when the model's data is: the number of elements that a condition
/// selects, say. Dims::read_symbols says how large it can be.
struct ReadSize {
  std::string symbol;
  ValueId value;  ///< an i64 scalar; whatever mentions the symbol comes after it
};

/// A body: nodes in an order in which producers come before consumers.
struct Graph {
  std::string name;
  std::vector<ValueId> inputs;
  std::vector<ValueId> outputs;
  std::vector<std::string>
      output_names;  ///< one per output: a value may be output twice under two names
  std::vector<NodeId> nodes;
};

/// A model: one graph, and the tables that its ids index.
class Module {
 public:
  std::string name;
  Dims dims;
  Graph graph;
  std::vector<ReadSize> read_sizes;   ///< in the order in which they become known
  std::vector<Placement> placements;  ///< by value, from `place` on; else empty
  std::vector<Group> groups;          ///< in execution order, from `group` on; else empty

  const Value& value(ValueId id) const { return values_[id.index]; }
  Value& value(ValueId id) { return values_[id.index]; }
  const Node& node(NodeId id) const { return nodes_[id.index]; }
  Node& node(NodeId id) { return nodes_[id.index]; }
  const Data& data(DataId id) const { return data_[id.index]; }
  const Origin& origin(OriginId id) const { return origins_[id.index]; }
  size_t value_count() const { return values_.size(); }
  size_t node_count() const { return nodes_.size(); }
  size_t data_count() const { return data_.size(); }

  ValueId add_input(TensorType type, std::string name);
  /// Makes a node with fresh output values of these types. It belongs to no graph until its id is
  /// put into a list. Optional operands at the end may be left out: they become none ids.
  NodeId make_node(Op op, std::vector<ValueId> inputs, Attrs attrs, std::vector<TensorType> types,
                   OriginId origin);
  DataId add_data(Data data);
  /// Copies the bytes into memory of the module.
  DataId add_owned_data(TensorType type, std::span<const std::byte> bytes, std::string name = {});
  OriginId add_origin(Origin origin);
  void keep_alive(std::shared_ptr<const void> memory) { memory_.push_back(std::move(memory)); }

  /// The node that makes `value`, or none.
  NodeId producer(ValueId value) const { return values_[value.index].producer; }
  /// Whether `value` is the result of a node with this operator.
  bool is(ValueId value, Op op) const;
  /// The data of a `constant` value, or nullptr.
  const Data* constant(ValueId value) const;
  /// The one element of a `constant` with one element, as a double.
  std::optional<double> scalar(ValueId value) const;
  /// Where node `id` comes from, for messages.
  Where where(NodeId id) const;
  /// Appends to read_sizes, under a symbol that is not in use.
  Dim read_size(ValueId value, Dim largest);
  /// The values that the sizes which node `id` mentions are read from, and those that bound a size
  /// read from its results: it depends on them as on operands.
  std::vector<ValueId> sizes_of(NodeId id) const;

 private:
  std::vector<Value> values_;
  std::vector<Node> nodes_;
  std::vector<Data> data_;
  std::vector<Origin> origins_;
  std::vector<std::shared_ptr<const void>> memory_;
};

/// How often each value is read: by nodes of the graph, as a size and as a graph output.
std::vector<uint32_t> use_counts(const Module& module);

/// Makes every reader of `from` (nodes of the graph, sizes and outputs) read `to`.
void replace_uses(Module& module, ValueId from, ValueId to);

/// Drops nodes and sizes whose results nobody reads, takes in producers of read values that the
/// list lacks, and sorts so that producers come first, otherwise keeping the order.
void clean_up(Module& module);

/// What a row of graph.def says. A single result has the name "result".
struct OpInfo {
  struct Operand {
    std::string name;
    bool optional = false;
    bool variadic = false;
  };
  struct Attribute {
    std::string name;
    std::string kind;
    bool optional = false;
  };
  std::string_view name;
  std::vector<Operand> operands;
  std::vector<Attribute> attributes;
  std::vector<std::string> results;
  bool has_variadic_results = false;  ///< at least one, however many `results` names
  bool elementwise = false;
  std::string_view meaning, onnx, aten;  ///< of an elementwise row
};

const OpInfo& info(Op op);
std::optional<Op> find_op(std::string_view text);
size_t op_count();

/// Text of a graph that `parse_graph` (ir/graph_text.h) reads back.
std::string to_string(const Module& module);
std::string to_string(const Dims& dims, const TensorType& type);

}  // namespace tenon::ir
