#include "ir/dtype.h"

#include <array>

namespace tenon::ir {
namespace {

struct Facts {
  std::string_view text;
  int bytes;
  char kind;
};

constexpr std::array kFacts = {
#define DTYPE(name, text, bytes, kind) Facts{text, bytes, kind},
#include "ir/dtype.def"
#undef DTYPE
};

const Facts& facts(DType type) { return kFacts[static_cast<size_t>(type)]; }

}  // namespace

std::string_view to_string(DType type) { return facts(type).text; }

std::optional<DType> parse_dtype(std::string_view text) {
  for (size_t i = 0; i < kFacts.size(); ++i) {
    if (kFacts[i].text == text) return static_cast<DType>(i);
  }
  return std::nullopt;
}

int size_of(DType type) { return facts(type).bytes; }
bool is_float(DType type) { return facts(type).kind == 'f'; }
bool is_signed(DType type) { return facts(type).kind == 's'; }
bool is_unsigned(DType type) { return facts(type).kind == 'u'; }
bool is_integer(DType type) { return is_signed(type) || is_unsigned(type); }

DType compute_type(DType type) {
  return type == DType::kFloat16 || type == DType::kBFloat16 ? DType::kFloat32 : type;
}

}  // namespace tenon::ir
