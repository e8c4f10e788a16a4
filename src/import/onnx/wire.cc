#include "import/onnx/wire.h"

#include <fmt/format.h>

#include <protozero/pbf_reader.hpp>
#include <string>

#include "import/utf8.h"

namespace tenon::import::onnx {
namespace {

using protozero::pbf_reader;
using protozero::pbf_wire_type;
using protozero::tag_and_type;

constexpr pbf_wire_type kVarint = pbf_wire_type::varint;
constexpr pbf_wire_type kBytes = pbf_wire_type::length_delimited;
constexpr pbf_wire_type kFixed32 = pbf_wire_type::fixed32;
constexpr pbf_wire_type kFixed64 = pbf_wire_type::fixed64;

/// A rule of the format, or a limit, that a message breaks.
class BadMessage : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

std::string_view raw_bytes(pbf_reader& message) {
  const protozero::data_view bytes = message.get_view();
  return {bytes.data(), bytes.size()};
}

/// A name or another text that messages may show.
std::string_view text(pbf_reader& message) {
  const std::string_view bytes = raw_bytes(message);
  if (!is_utf8(bytes)) throw BadMessage("a text that is not UTF-8");
  return bytes;
}

template <class Value, class Range>
void append(std::vector<Value>& values, const Range& range) {
  for (auto value : range) values.push_back(static_cast<Value>(value));
}

/// Reads messages; `path_` says which one is at work, and keeps saying it after an exception.
class Reader {
 public:
  explicit Reader(const Limits& limits) : limits_(limits) {}

  Model model(pbf_reader message);
  Tensor tensor(pbf_reader message);
  std::string place() const;

 private:
  struct Step {
    const char* field;
    size_t index;
  };

  /// `read(submessage)`, with the step in the path.
  template <class Read>
  auto within(const char* field, size_t index, pbf_reader& message, Read read) {
    path_.push_back({field, index});
    auto result = read(message.get_message());
    path_.pop_back();
    return result;
  }

  Graph graph(pbf_reader message);
  Node node(pbf_reader message);
  Attribute attribute(pbf_reader message);
  ValueInfo value_info(pbf_reader message);
  Function function(pbf_reader message);
  void add_node(std::vector<Node>& nodes, pbf_reader& message);
  void add_attribute(std::vector<Attribute>& attributes, pbf_reader& message);
  void add_initializer(std::vector<Tensor>& tensors, pbf_reader& message);

  const Limits& limits_;
  std::vector<Step> path_;
  size_t node_count_ = 0;
  size_t graph_depth_ = 0;
};

std::string Reader::place() const {
  std::string text;
  for (const Step& step : path_) {
    text += fmt::format("{}{} {}", text.empty() ? "" : " > ", step.field, step.index);
  }
  return text;
}

std::pair<std::string_view, std::string_view> property(pbf_reader message) {
  std::pair<std::string_view, std::string_view> entry;
  while (message.next()) {
    switch (message.tag_and_type()) {
      case tag_and_type(1, kBytes): entry.first = text(message); break;
      case tag_and_type(2, kBytes): entry.second = text(message); break;
      default: message.skip();
    }
  }
  return entry;
}

std::pair<std::string_view, int64_t> opset(pbf_reader message) {
  std::pair<std::string_view, int64_t> entry;
  while (message.next()) {
    switch (message.tag_and_type()) {
      case tag_and_type(1, kBytes): entry.first = text(message); break;
      case tag_and_type(2, kVarint): entry.second = message.get_int64(); break;
      default: message.skip();
    }
  }
  if (entry.first == "ai.onnx") entry.first = "";
  return entry;
}

Tensor Reader::tensor(pbf_reader message) {
  Tensor tensor;
  while (message.next()) {
    switch (message.tag_and_type()) {
      case tag_and_type(1, kBytes): append(tensor.dims, message.get_packed_int64()); break;
      case tag_and_type(1, kVarint): tensor.dims.push_back(message.get_int64()); break;
      case tag_and_type(2, kVarint): tensor.data_type = message.get_int32(); break;
      case tag_and_type(3, kBytes):
        message.skip();
        tensor.segmented = true;
        break;
      case tag_and_type(4, kBytes): append(tensor.floats, message.get_packed_float()); break;
      case tag_and_type(4, kFixed32): tensor.floats.push_back(message.get_float()); break;
      case tag_and_type(5, kBytes): append(tensor.integers, message.get_packed_int32()); break;
      case tag_and_type(5, kVarint): tensor.integers.push_back(message.get_int32()); break;
      case tag_and_type(6, kBytes):
        message.skip();
        ++tensor.string_count;
        break;
      case tag_and_type(7, kBytes): append(tensor.integers, message.get_packed_int64()); break;
      case tag_and_type(7, kVarint): tensor.integers.push_back(message.get_int64()); break;
      case tag_and_type(8, kBytes): tensor.name = text(message); break;
      case tag_and_type(9, kBytes): {
        const std::string_view raw = raw_bytes(message);
        tensor.raw = std::as_bytes(std::span(raw));
        break;
      }
      case tag_and_type(10, kBytes): append(tensor.doubles, message.get_packed_double()); break;
      case tag_and_type(10, kFixed64): tensor.doubles.push_back(message.get_double()); break;
      case tag_and_type(11, kBytes): append(tensor.integers, message.get_packed_uint64()); break;
      case tag_and_type(11, kVarint):
        tensor.integers.push_back(static_cast<int64_t>(message.get_uint64()));
        break;
      case tag_and_type(13, kBytes):
        tensor.external.push_back(property(message.get_message()));
        break;
      case tag_and_type(14, kVarint): tensor.is_external = message.get_enum() == 1; break;
      default: message.skip();
    }
    if (tensor.dims.size() > limits_.rank) {
      throw BadMessage(fmt::format("a tensor has more than {} dims", limits_.rank));
    }
  }
  return tensor;
}

Dimension dimension(pbf_reader message) {
  Dimension dim;
  while (message.next()) {
    switch (message.tag_and_type()) {
      case tag_and_type(1, kVarint): dim.value = message.get_int64(); break;
      case tag_and_type(2, kBytes): dim.symbol = text(message); break;
      default: message.skip();
    }
  }
  return dim;
}

ValueInfo Reader::value_info(pbf_reader message) {
  ValueInfo info;
  const auto read_shape = [&](pbf_reader shape) {
    info.shape.emplace();
    while (shape.next(1, kBytes)) {
      info.shape->push_back(dimension(shape.get_message()));
      if (info.shape->size() > limits_.rank) {
        throw BadMessage(fmt::format("'{}' has more than {} dims", info.name, limits_.rank));
      }
    }
  };
  const auto read_tensor_type = [&](pbf_reader type) {
    info.is_tensor = true;
    while (type.next()) {
      switch (type.tag_and_type()) {
        case tag_and_type(1, kVarint): info.elem_type = type.get_int32(); break;
        case tag_and_type(2, kBytes): read_shape(type.get_message()); break;
        default: type.skip();
      }
    }
  };
  while (message.next()) {
    switch (message.tag_and_type()) {
      case tag_and_type(1, kBytes): info.name = text(message); break;
      case tag_and_type(2, kBytes): {
        pbf_reader type = message.get_message();
        while (type.next()) {
          if (type.tag_and_type() == tag_and_type(1, kBytes)) {
            read_tensor_type(type.get_message());
          } else {
            type.skip();
          }
        }
        break;
      }
      default: message.skip();
    }
  }
  return info;
}

AttributeType infer_type(const Attribute& attribute, bool has_number, bool has_integer) {
  if (attribute.tensor) return AttributeType::kTensor;
  if (attribute.graph) return AttributeType::kGraph;
  if (!attribute.numbers.empty()) return AttributeType::kFloats;
  if (!attribute.integers.empty()) return AttributeType::kInts;
  if (!attribute.texts.empty()) return AttributeType::kStrings;
  if (has_number) return AttributeType::kFloat;
  if (has_integer) return AttributeType::kInt;
  return AttributeType::kString;
}

Attribute Reader::attribute(pbf_reader message) {
  Attribute result;
  bool has_number = false;
  bool has_integer = false;
  while (message.next()) {
    switch (message.tag_and_type()) {
      case tag_and_type(1, kBytes): result.name = text(message); break;
      case tag_and_type(2, kFixed32):
        result.number = message.get_float();
        has_number = true;
        break;
      case tag_and_type(3, kVarint):
        result.integer = message.get_int64();
        has_integer = true;
        break;
      case tag_and_type(4, kBytes): result.text = raw_bytes(message); break;
      case tag_and_type(5, kBytes):
        result.tensor = std::make_shared<const Tensor>(
            within("tensor", 0, message, [this](pbf_reader part) { return tensor(part); }));
        break;
      case tag_and_type(6, kBytes):
        result.graph = std::make_shared<const Graph>(
            within("graph", 0, message, [this](pbf_reader part) { return graph(part); }));
        break;
      case tag_and_type(7, kBytes): append(result.numbers, message.get_packed_float()); break;
      case tag_and_type(7, kFixed32): result.numbers.push_back(message.get_float()); break;
      case tag_and_type(8, kBytes): append(result.integers, message.get_packed_int64()); break;
      case tag_and_type(8, kVarint): result.integers.push_back(message.get_int64()); break;
      case tag_and_type(9, kBytes): result.texts.push_back(raw_bytes(message)); break;
      case tag_and_type(20, kVarint):
        result.type = static_cast<AttributeType>(message.get_enum());
        break;
      case tag_and_type(21, kBytes): result.reference = text(message); break;
      default: message.skip();
    }
  }
  if (result.type == AttributeType::kUndefined && result.reference.empty()) {
    result.type = infer_type(result, has_number, has_integer);
  }
  return result;
}

void Reader::add_attribute(std::vector<Attribute>& attributes, pbf_reader& message) {
  if (attributes.size() == limits_.attributes) {
    throw BadMessage(fmt::format("a node has more than {} attributes", limits_.attributes));
  }
  attributes.push_back(within("attribute", attributes.size(), message,
                              [this](pbf_reader part) { return attribute(part); }));
}

Node Reader::node(pbf_reader message) {
  Node node;
  while (message.next()) {
    switch (message.tag_and_type()) {
      case tag_and_type(1, kBytes): node.inputs.push_back(text(message)); break;
      case tag_and_type(2, kBytes): node.outputs.push_back(text(message)); break;
      case tag_and_type(3, kBytes): node.name = text(message); break;
      case tag_and_type(4, kBytes): node.op_type = text(message); break;
      case tag_and_type(5, kBytes): add_attribute(node.attributes, message); break;
      case tag_and_type(7, kBytes): node.domain = text(message); break;
      case tag_and_type(8, kBytes): node.overload = text(message); break;
      case tag_and_type(9, kBytes): node.metadata.push_back(property(message.get_message())); break;
      default: message.skip();
    }
  }
  if (node.domain == "ai.onnx") node.domain = "";
  return node;
}

void Reader::add_node(std::vector<Node>& nodes, pbf_reader& message) {
  if (++node_count_ > limits_.nodes) {
    throw BadMessage(fmt::format("the model has more than {} nodes", limits_.nodes));
  }
  nodes.push_back(
      within("node", nodes.size(), message, [this](pbf_reader part) { return node(part); }));
}

void Reader::add_initializer(std::vector<Tensor>& tensors, pbf_reader& message) {
  tensors.push_back(within("initializer", tensors.size(), message,
                           [this](pbf_reader part) { return tensor(part); }));
}

Graph Reader::graph(pbf_reader message) {
  if (++graph_depth_ > limits_.depth) {
    throw BadMessage(fmt::format("graphs are nested more than {} deep", limits_.depth));
  }
  Graph graph;
  const auto read_info = [this](pbf_reader part) { return value_info(part); };
  while (message.next()) {
    switch (message.tag_and_type()) {
      case tag_and_type(1, kBytes): add_node(graph.nodes, message); break;
      case tag_and_type(2, kBytes): graph.name = text(message); break;
      case tag_and_type(5, kBytes): add_initializer(graph.initializers, message); break;
      case tag_and_type(11, kBytes):
        graph.inputs.push_back(within("input", graph.inputs.size(), message, read_info));
        break;
      case tag_and_type(12, kBytes):
        graph.outputs.push_back(within("output", graph.outputs.size(), message, read_info));
        break;
      case tag_and_type(15, kBytes):
        message.skip();
        graph.has_sparse_initializers = true;
        break;
      default: message.skip();
    }
  }
  --graph_depth_;
  return graph;
}

Function Reader::function(pbf_reader message) {
  Function function;
  while (message.next()) {
    switch (message.tag_and_type()) {
      case tag_and_type(1, kBytes): function.name = text(message); break;
      case tag_and_type(4, kBytes): function.inputs.push_back(text(message)); break;
      case tag_and_type(5, kBytes): function.outputs.push_back(text(message)); break;
      case tag_and_type(7, kBytes): add_node(function.nodes, message); break;
      case tag_and_type(9, kBytes): function.opsets.push_back(opset(message.get_message())); break;
      case tag_and_type(10, kBytes): function.domain = text(message); break;
      case tag_and_type(11, kBytes): add_attribute(function.defaults, message); break;
      case tag_and_type(13, kBytes): function.overload = text(message); break;
      default: message.skip();
    }
  }
  if (function.domain == "ai.onnx") function.domain = "";
  return function;
}

Model Reader::model(pbf_reader message) {
  Model model;
  bool has_graph = false;
  while (message.next()) {
    switch (message.tag_and_type()) {
      case tag_and_type(1, kVarint): model.ir_version = message.get_int64(); break;
      case tag_and_type(7, kBytes):
        model.graph = within("graph", 0, message, [this](pbf_reader part) { return graph(part); });
        has_graph = true;
        break;
      case tag_and_type(8, kBytes): model.opsets.push_back(opset(message.get_message())); break;
      case tag_and_type(25, kBytes):
        model.functions.push_back(within("function", model.functions.size(), message,
                                         [this](pbf_reader part) { return function(part); }));
        break;
      default: message.skip();
    }
  }
  if (!has_graph) throw BadMessage("the file holds no graph; it is not an ONNX model");
  return model;
}

template <class Read>
auto read_message(std::span<const std::byte> bytes, const Limits& limits, Read read)
    -> Result<decltype(read(std::declval<Reader&>(), pbf_reader()))> {
  if (bytes.size() > limits.file_bytes || bytes.size() > UINT32_MAX) {
    return fail(ErrorKind::kBadModel,
                fmt::format("the file has {} bytes, more than the limit of {}", bytes.size(),
                            limits.file_bytes),
                {}, "keep large weights in external data");
  }
  Reader reader(limits);
  try {
    return read(reader, pbf_reader(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
  } catch (const BadMessage& error) {
    return fail(ErrorKind::kBadModel, error.what(), {.node = reader.place()});
  } catch (const protozero::exception& error) {
    return fail(ErrorKind::kBadModel,
                fmt::format("the file is damaged or not a protobuf message ({})", error.what()),
                {.node = reader.place()});
  }
}

}  // namespace

Result<Model> read_model(std::span<const std::byte> bytes, const Limits& limits) {
  return read_message(bytes, limits,
                      [](Reader& reader, pbf_reader message) { return reader.model(message); });
}

Result<Tensor> read_tensor(std::span<const std::byte> bytes, const Limits& limits) {
  return read_message(bytes, limits,
                      [](Reader& reader, pbf_reader message) { return reader.tensor(message); });
}

}  // namespace tenon::import::onnx
