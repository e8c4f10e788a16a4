#include "checks/values.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <random>

#include "ir/dim.h"
#include "ir/element_text.h"
#include "ir/text_cursor.h"

namespace tenon::checks {
namespace {

constexpr int64_t kMostElements = 1 << 24;

Result<void> list(ir::TextCursor& cursor, auto item) {
  TENON_TRY_DO(cursor.expect("["));
  for (bool first = true; !cursor.accept("]"); first = false) {
    if (!first) TENON_TRY_DO(cursor.expect(","));
    TENON_TRY_DO(item());
  }
  return {};
}

Result<NamedTensor> tensor(ir::TextCursor& cursor, std::string name) {
  const ir::TextCursor start = cursor;
  TENON_TRY(const std::string_view word, cursor.word());
  const std::optional<ir::DType> dtype = ir::parse_dtype(word);
  if (!dtype) return start.error(fmt::format("no element type '{}'", word));
  std::vector<int64_t> shape;
  TENON_TRY_DO(list(cursor, [&]() -> Result<void> {
    TENON_TRY(shape.emplace_back(), cursor.integer());
    return {};
  }));
  const std::optional<int64_t> count = ir::checked_product(shape);
  if (!count || *count > kMostElements) return start.error("too many elements");
  TENON_TRY_DO(cursor.expect("="));
  if (cursor.accept("random")) {
    uint32_t seed = 7;
    for (char c : name) seed = seed * 31 + static_cast<unsigned char>(c);
    return NamedTensor{std::move(name), random_tensor(*dtype, std::move(shape), seed), true};
  }
  NamedTensor result{std::move(name), ops::Tensor(*dtype, std::move(shape))};
  int64_t filled = 0;
  TENON_TRY_DO(list(cursor, [&]() -> Result<void> {
    const ir::TextCursor at = cursor;
    TENON_TRY(const std::string_view text, cursor.number_text());
    if (filled == *count) return at.error("more elements than the shape says");
    std::byte* element = result.tensor.bytes() + filled++ * ir::size_of(*dtype);
    if (!parse_element(*dtype, text, element)) {
      return at.error(fmt::format("'{}' is no {}", text, ir::to_string(*dtype)));
    }
    return {};
  }));
  if (filled != *count) return start.error("fewer elements than the shape says");
  return result;
}

}  // namespace

const NamedTensor* Values::find(std::string_view name) const {
  const auto found = std::ranges::find(tensors, name, &NamedTensor::name);
  return found == tensors.end() ? nullptr : &*found;
}

Result<Values> parse_values(std::string_view text) {
  Values values;
  ir::TextCursor cursor(text);
  while (!cursor.at_end()) {
    std::string name;
    if (cursor.sees_quote()) {
      TENON_TRY(name, cursor.quoted_text());
    } else {
      TENON_TRY(const std::string_view word, cursor.word());
      name = word;
    }
    if (cursor.accept("=")) {
      TENON_TRY(values.numbers[name], cursor.integer());
    } else {
      TENON_TRY_DO(cursor.expect(":"));
      TENON_TRY(values.tensors.emplace_back(), tensor(cursor, std::move(name)));
    }
  }
  return values;
}

std::string to_string(const NamedTensor& value) {
  const ops::Tensor& tensor = value.tensor;
  std::string elements = "random";
  if (!value.random) {
    std::vector<std::string> texts;
    for (int64_t i = 0; i < tensor.count(); ++i) {
      texts.push_back(
          element_text(tensor.dtype(), tensor.bytes() + i * ir::size_of(tensor.dtype())));
    }
    elements = fmt::format("[{}]", fmt::join(texts, ", "));
  }
  const std::string name = ir::is_word(value.name) ? value.name : ir::quoted(value.name);
  return fmt::format("{}: {}[{}] = {}", name, ir::to_string(tensor.dtype()),
                     fmt::join(tensor.shape(), ", "), elements);
}

ops::Tensor random_tensor(ir::DType dtype, std::vector<int64_t> shape, uint32_t seed) {
  ops::Tensor tensor(dtype, std::move(shape));
  std::mt19937 random(seed);
  for (int64_t i = 0; i < tensor.count(); ++i) {
    const uint32_t bits = random();
    if (ir::is_float(dtype)) {
      tensor.set_number(i, static_cast<double>(bits) / 0x1p31 - 1);
    } else if (dtype == ir::DType::kBool) {
      tensor.set_integer(i, bits % 2);
    } else {
      tensor.set_integer(i, ir::is_signed(dtype) ? static_cast<int64_t>(bits % 9) - 4 : bits % 5);
    }
  }
  return tensor;
}

}  // namespace tenon::checks
