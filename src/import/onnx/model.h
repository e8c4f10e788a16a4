// What an ONNX file says, as plain structs: the messages of onnx.proto with the fields that an
// importer needs. Texts and raw bytes are views into the file's bytes, which must outlive them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

namespace tenon::import::onnx {

using Properties = std::vector<std::pair<std::string_view, std::string_view>>;

/// TensorProto. Elements are in `raw`, in one of the typed lists, or in a file that `external`
/// names.
struct Tensor {
  std::string_view name;
  std::vector<int64_t> dims;
  int32_t data_type = 0;
  bool segmented = false;
  std::optional<std::span<const std::byte>> raw;
  std::vector<float> floats;
  std::vector<double> doubles;
  std::vector<int64_t> integers;  ///< int32_data, int64_data or uint64_data, as bits
  size_t string_count = 0;
  bool is_external = false;
  Properties external;
};

struct Graph;

/// AttributeProto::AttributeType.
enum class AttributeType : int32_t {
  kUndefined = 0,
  kFloat = 1,
  kInt = 2,
  kString = 3,
  kTensor = 4,
  kGraph = 5,
  kFloats = 6,
  kInts = 7,
  kStrings = 8,
  kTensors = 9,
  kGraphs = 10,
  kSparseTensor = 11,
};

struct Attribute {
  std::string_view name;
  AttributeType type = AttributeType::kUndefined;  ///< inferred where an old writer left it out
  std::string_view reference;  ///< in a function body: the caller's attribute of that name
  float number = 0;
  int64_t integer = 0;
  std::string_view text;
  std::vector<float> numbers;
  std::vector<int64_t> integers;
  std::vector<std::string_view> texts;
  std::shared_ptr<const Tensor> tensor;
  std::shared_ptr<const Graph> graph;
};

struct Node {
  std::string_view name, op_type, domain, overload;
  std::vector<std::string_view> inputs, outputs;  ///< "" is an operand that is left out
  std::vector<Attribute> attributes;
  Properties metadata;
};

struct Dimension {
  std::optional<int64_t> value;
  std::string_view symbol;  ///< "" with no value: unknown
};

/// ValueInfoProto of a tensor.
struct ValueInfo {
  std::string_view name;
  bool is_tensor = false;  ///< else a sequence, map, optional or sparse tensor
  int32_t elem_type = 0;
  std::optional<std::vector<Dimension>> shape;
};

struct Graph {
  std::string_view name;
  std::vector<Node> nodes;
  std::vector<Tensor> initializers;
  std::vector<ValueInfo> inputs, outputs;
  bool has_sparse_initializers = false;
};

/// The highest version of each operator set that may be used, by domain; "" is ai.onnx.
using OpsetImports = std::vector<std::pair<std::string_view, int64_t>>;

struct Function {
  std::string_view name, domain, overload;
  std::vector<std::string_view> inputs, outputs;
  std::vector<Attribute> defaults;  ///< of attributes that have one
  std::vector<Node> nodes;
  OpsetImports opsets;
};

struct Model {
  int64_t ir_version = 0;
  OpsetImports opsets;
  Graph graph;
  std::vector<Function> functions;
};

}  // namespace tenon::import::onnx
