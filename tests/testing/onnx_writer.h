// Writes small ONNX models for tests, as the bytes of a file.
#pragma once

#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <protozero/pbf_writer.hpp>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace tenon::testing {

using OnnxNames = std::vector<std::string>;
/// A dim: a number, a name, or "" for an unknown one.
using OnnxDim = std::variant<int64_t, std::string>;

/// Numbers of TensorProto.DataType.
enum OnnxType : int32_t {
  kOnnxFloat = 1,
  kOnnxUInt8 = 2,
  kOnnxInt8 = 3,
  kOnnxInt32 = 6,
  kOnnxInt64 = 7,
  kOnnxString = 8,
  kOnnxBool = 9,
  kOnnxHalf = 10,
  kOnnxDouble = 11,
};

/// A TensorProto with raw data; the elements' C++ type is that of `type`.
template <class T>
std::string onnx_tensor(std::string_view name, int32_t type, const std::vector<int64_t>& dims,
                        const std::vector<T>& elements) {
  std::string bytes;
  protozero::pbf_writer tensor(bytes);
  tensor.add_packed_int64(1, dims.begin(), dims.end());
  tensor.add_int32(2, type);
  tensor.add_string(8, std::string(name));
  std::string raw;
  for (const T element : elements) {
    const char* first = reinterpret_cast<const char*>(&element);
    raw.append(first, sizeof(T));
  }
  tensor.add_bytes(9, raw);
  return bytes;
}

inline std::string onnx_floats(std::string_view name, const std::vector<int64_t>& dims,
                               const std::vector<float>& elements) {
  return onnx_tensor(name, kOnnxFloat, dims, elements);
}

inline std::string onnx_integers(std::string_view name, const std::vector<int64_t>& elements) {
  return onnx_tensor(name, kOnnxInt64, {static_cast<int64_t>(elements.size())}, elements);
}

/// An AttributeProto of one type; `type` 0 leaves the type out, as old writers do.
struct OnnxAttribute {
  static std::string integer(std::string_view name, int64_t value, int32_t type = 2) {
    return make(name, type,
                [&](protozero::pbf_writer& attribute) { attribute.add_int64(3, value); });
  }
  static std::string number(std::string_view name, float value) {
    return make(name, 1, [&](protozero::pbf_writer& attribute) { attribute.add_float(2, value); });
  }
  static std::string text(std::string_view name, const std::string& value) {
    return make(name, 3, [&](protozero::pbf_writer& attribute) { attribute.add_string(4, value); });
  }
  static std::string integers(std::string_view name, const std::vector<int64_t>& values,
                              int32_t type = 7) {
    return make(name, type, [&](protozero::pbf_writer& attribute) {
      attribute.add_packed_int64(8, values.begin(), values.end());
    });
  }
  static std::string tensor(std::string_view name, const std::string& value) {
    return make(name, 4,
                [&](protozero::pbf_writer& attribute) { attribute.add_message(5, value); });
  }
  static std::string graph(std::string_view name, const std::string& value) {
    return make(name, 5,
                [&](protozero::pbf_writer& attribute) { attribute.add_message(6, value); });
  }
  /// In a function's body: the attribute of the call with the name `reference`.
  static std::string reference(std::string_view name, std::string_view reference, int32_t type) {
    return make(name, type, [&](protozero::pbf_writer& attribute) {
      attribute.add_string(21, std::string(reference));
    });
  }

 private:
  template <class Fill>
  static std::string make(std::string_view name, int32_t type, Fill fill) {
    std::string bytes;
    protozero::pbf_writer attribute(bytes);
    attribute.add_string(1, std::string(name));
    fill(attribute);
    if (type != 0) attribute.add_enum(20, type);
    return bytes;
  }
};

struct OnnxNode {
  std::string op_type;
  OnnxNames inputs, outputs;
  std::vector<std::string> attributes = {};
  std::string name = {};
  std::string domain = {};
  std::string stack_trace = {};

  std::string bytes() const {
    std::string result;
    protozero::pbf_writer node(result);
    for (const std::string& input : inputs) node.add_string(1, input);
    for (const std::string& output : outputs) node.add_string(2, output);
    node.add_string(3, name);
    node.add_string(4, op_type);
    for (const std::string& attribute : attributes) node.add_message(5, attribute);
    node.add_string(7, domain);
    if (!stack_trace.empty()) {
      protozero::pbf_writer property(node, 9);
      property.add_string(1, "pkg.torch.onnx.stack_trace");
      property.add_string(2, stack_trace);
    }
    return result;
  }
};

/// A GraphProto.
class OnnxGraph {
 public:
  OnnxGraph& input(const std::string& name, const std::vector<OnnxDim>& dims,
                   int32_t type = kOnnxFloat) {
    return value(11, name, dims, type);
  }
  OnnxGraph& output(const std::string& name) {
    protozero::pbf_writer info(writer_, 12);
    info.add_string(1, name);
    return *this;
  }
  OnnxGraph& initializer(const std::string& tensor) {
    writer_.add_message(5, tensor);
    return *this;
  }
  OnnxGraph& node(const OnnxNode& node) {
    writer_.add_message(1, node.bytes());
    return *this;
  }
  const std::string& bytes() const { return bytes_; }

 private:
  OnnxGraph& value(int field, const std::string& name, const std::vector<OnnxDim>& dims,
                   int32_t elem_type) {
    std::string shape;
    for (const OnnxDim& dim : dims) {
      std::string one;
      protozero::pbf_writer writer(one);
      if (const auto* number = std::get_if<int64_t>(&dim)) {
        writer.add_int64(1, *number);
      } else if (!std::get<std::string>(dim).empty()) {
        writer.add_string(2, std::get<std::string>(dim));
      }
      protozero::pbf_writer(shape).add_message(1, one);
    }
    // Whole messages, not nested writers: those leave out what is empty.
    protozero::pbf_writer info(writer_, field);
    info.add_string(1, name);
    protozero::pbf_writer type(info, 2);
    protozero::pbf_writer tensor(type, 1);
    tensor.add_int32(1, elem_type);
    tensor.add_message(2, shape);
    return *this;
  }

  std::string bytes_;
  protozero::pbf_writer writer_{bytes_};
};

/// A FunctionProto in the domain "local" over operator set 18.
inline std::string onnx_function(const std::string& name, const OnnxNames& inputs,
                                 const OnnxNames& outputs, const std::vector<OnnxNode>& nodes,
                                 const std::vector<std::string>& defaults = {}) {
  std::string bytes;
  protozero::pbf_writer function(bytes);
  function.add_string(1, name);
  for (const std::string& input : inputs) function.add_string(4, input);
  for (const std::string& output : outputs) function.add_string(5, output);
  for (const OnnxNode& node : nodes) function.add_message(7, node.bytes());
  {
    protozero::pbf_writer opset(function, 9);
    opset.add_string(1, "");
    opset.add_int64(2, 18);
  }
  function.add_string(10, "local");
  for (const std::string& attribute : defaults) function.add_message(11, attribute);
  return bytes;
}

/// A ModelProto that imports `opset` of ai.onnx, and version 1 of "local" and com.microsoft.
inline std::string onnx_model(const OnnxGraph& graph, int64_t opset = 18,
                              const std::vector<std::string>& functions = {}) {
  std::string bytes;
  protozero::pbf_writer model(bytes);
  model.add_int64(1, 8);
  model.add_message(7, graph.bytes());
  const auto import = [&](const std::string& domain, int64_t version) {
    protozero::pbf_writer entry(model, 8);
    entry.add_string(1, domain);
    entry.add_int64(2, version);
  };
  import("", opset);
  import("local", 1);
  import("com.microsoft", 1);
  for (const std::string& function : functions) model.add_message(25, function);
  return bytes;
}

}  // namespace tenon::testing
