#include "import/onnx/operators.h"

#include <map>

namespace tenon::import::onnx {
namespace {

using Key = std::pair<std::string_view, std::string_view>;

std::map<Key, ImportOperator> make_table() {
  std::map<Key, ImportOperator> table;
  for (size_t i = 0; i < ir::op_count(); ++i) {
    const ir::OpInfo& row = ir::info(static_cast<ir::Op>(i));
    if (!row.onnx.empty()) table[{"", row.onnx}] = import_elementwise;
  }
#define ONNX_OPERATOR(domain, op_type, function) table[{domain, op_type}] = function;
#include "import/onnx/operators.def"
#undef ONNX_OPERATOR
  return table;
}

}  // namespace

ImportOperator find_operator(std::string_view domain, std::string_view op_type) {
  static const std::map<Key, ImportOperator> table = make_table();
  const auto row = table.find({domain, op_type});
  return row == table.end() ? nullptr : row->second;
}

}  // namespace tenon::import::onnx
