// Arguments of a node as its importer sees them, and the signatures that say which there are.
#pragma once

#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/result.h"
#include "import/pt2/memory.h"
#include "import/pt2/schema.h"

namespace tenon::import::pt2 {

struct TensorValue {
  TensorId id;
  ir::ValueId value;  ///< its elements before the node runs
};

/// What an argument is once names stand for values: none, a flag, a size (every whole number), a
/// number, a text, a tensor, a graph, or a list.
struct Value {
  std::variant<std::monostate, bool, ir::Dim, double, std::string, TensorValue,
               std::shared_ptr<const Graph>, std::vector<Value>>
      value;

  bool is_none() const { return std::holds_alternative<std::monostate>(value); }
  template <class T>
  const T* get() const {
    return std::get_if<T>(&value);
  }
};

struct NamedValue {
  std::string name;
  Value value;
};

/// The arguments of a signature like "input, bias=None, stride=[1, 1], mode='none'" in its order:
/// what the node gives, by name or, where it gives no names, by position, and the default
/// elsewhere. The error, without a place, tells of an argument that the signature lacks
/// (kUnsupported) or that the node lacks (kBadModel).
Result<std::vector<NamedValue>> bind_arguments(std::string_view signature,
                                               std::vector<NamedValue> given);

}  // namespace tenon::import::pt2
