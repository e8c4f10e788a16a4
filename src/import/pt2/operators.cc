#include "import/pt2/operators.h"

#include <map>
#include <string>

namespace tenon::import::pt2 {
namespace {

constexpr std::string_view kTensor = ".Tensor";

std::map<std::string, Operator, std::less<>> make_table() {
  std::map<std::string, Operator, std::less<>> table;
  for (size_t i = 0; i < ir::op_count(); ++i) {
    const std::string name(ir::info(static_cast<ir::Op>(i)).aten);
    if (name.empty()) continue;
    table[name] = {"", import_elementwise};
    if (name.ends_with(kTensor)) {
      table[name.substr(0, name.size() - kTensor.size()) + ".Scalar"] = {"", import_elementwise};
    }
  }
#define ATEN_OPERATOR(name, signature, function) table[name] = {signature, function};
#include "import/pt2/operators.def"
#undef ATEN_OPERATOR
  return table;
}

}  // namespace

const Operator* find_operator(std::string_view name) {
  static const auto table = make_table();
  const auto row = table.find(name);
  return row == table.end() ? nullptr : &row->second;
}

}  // namespace tenon::import::pt2
