#include <gtest/gtest.h>

#include <algorithm>

#include "ir/loop_text.h"
#include "ir/verify.h"

namespace tenon::ir {
namespace {

struct Row {
  std::string_view name, signature, meaning;
};

const Row kRows[] = {
#define ELEMENTWISE(name, text, signature, meaning, onnx, aten) {text, signature, meaning},
#include "ir/elementwise.def"
#undef ELEMENTWISE
};

/// Reads a meaning whose operands have this dtype; `condition` is a bool. Attributes are 0.5, or
/// true, or i32.
Result<E> read(std::string_view meaning, LoopBuilder& b, DType dtype) {
  ExpressionNames names;
  names.value = [&](std::string_view name) -> std::optional<E> {
    if (name == "$negative" || name == "$positive") return b.integer(1, DType::kBool);
    if (name.starts_with('$')) return b.number(0.5, {DType::kFloat64, 1});
    const auto& buffers = b.function().buffers;
    auto known = std::ranges::find(buffers, name, &Buffer::name);
    BufferId buffer(known - buffers.begin());
    if (known == buffers.end()) {
      DType element = name == "condition" ? DType::kBool : dtype;
      buffer = b.buffer(std::string(name), element, BufferKind::kInput);
    }
    return b.load(buffer, b.integer(0));
  };
  names.dtype = [](std::string_view name) -> std::optional<DType> {
    if (name == "$to") return DType::kInt32;
    return std::nullopt;
  };
  return parse_expression(meaning, b, names);
}

std::string printed(std::string_view meaning, DType dtype = DType::kFloat32) {
  LoopBuilder b("f");
  auto value = read(meaning, b, dtype);
  if (!value) return value.error().text();
  b.let("result", *value);
  std::string text = to_string(b.finish());
  size_t start = text.rfind(": ") + 2;
  return text.substr(start, text.rfind("\n}") - start);
}

DType operand_dtype(std::string_view operator_name) {
  for (std::string_view name : {"and", "or", "xor", "not"}) {
    if (operator_name == name) return DType::kBool;
  }
  if (operator_name.starts_with("bit_") || operator_name.starts_with("shift_")) {
    return DType::kInt32;
  }
  return DType::kFloat32;
}

TEST(LoopExpression, EveryElementwiseMeaningReads) {
  for (const Row& row : kRows) {
    if (row.meaning.empty()) continue;  // it is in an attribute of the node
    LoopBuilder b("f");
    auto value = read(row.meaning, b, operand_dtype(row.name));
    ASSERT_TRUE(value) << row.name << ": " << value.error().text();
    b.let("result", *value);
    EXPECT_EQ(verify(b.finish()), "") << row.name;
  }
}

TEST(LoopExpression, ArithmeticMeaningsReadForIntegersToo) {
  for (std::string_view meaning :
       {"a + b", "floor_div(a, b)", "a % b", "max(0, x)", "abs(x)", "floor(x)", "-x",
        "select(x > 0, 1, select(x < 0, -1, x))", "min(high, max(low, x))", "a != b"}) {
    LoopBuilder b("f");
    auto value = read(meaning, b, DType::kInt64);
    EXPECT_TRUE(value) << meaning << ": " << value.error().text();
  }
}

TEST(LoopExpression, OperatorsBindByPrecedence) {
  EXPECT_EQ(printed("a + b * c"), "f32 = load a[0] + load b[0] * load c[0]");
  EXPECT_EQ(printed("(a + b) * c"), "f32 = (load a[0] + load b[0]) * load c[0]");
  EXPECT_EQ(printed("a - b - c"), "f32 = load a[0] - load b[0] - load c[0]");
  EXPECT_EQ(printed("a - (b - c)"), "f32 = load a[0] - (load b[0] - load c[0])");
  EXPECT_EQ(printed("-a * b"), "f32 = -load a[0] * load b[0]");
  EXPECT_EQ(printed("a > b"), "bool = load b[0] < load a[0]");
  EXPECT_EQ(printed("a >= b"), "bool = load b[0] <= load a[0]");
  EXPECT_EQ(printed("a < b & c < b | a == c"),
            "bool = load a[0] < load b[0] & load c[0] < load b[0] | load a[0] == load c[0]");
}

TEST(LoopExpression, NumbersAndAttributesTakeTheOthersType) {
  EXPECT_EQ(printed("1 / x"), "f32 = 1.0 / load x[0]");
  EXPECT_EQ(printed("x < -inf"), "bool = load x[0] < -inf");
  EXPECT_EQ(printed("x + -$alpha"), "f32 = load x[0] + -0.5");
  EXPECT_EQ(printed("x + 2", DType::kInt32), "i32 = load x[0] + 2");
  EXPECT_EQ(printed("cast(x, $to) + 2"), "i32 = cast(load x[0], i32) + 2");
  EXPECT_EQ(printed("cast(x, f64) + 0.1"), "f64 = cast(load x[0], f64) + 0.1");
}

TEST(LoopExpression, ErrorsSayWhere) {
  EXPECT_EQ(printed("x + 0.5", DType::kInt32),
            "line 1, column 5: a number that i32 does not hold at '0.5'");
  EXPECT_EQ(printed("x * 1.0", DType::kInt32),
            "line 1, column 5: a number that i32 does not hold at '1.0'");
  EXPECT_EQ(printed("x * $alpha", DType::kInt32),
            "line 1, column 5: a number that i32 does not hold at '$alpha'");
  EXPECT_EQ(printed("x + "), "line 1, column 5: expected an expression at the end");
  EXPECT_EQ(printed("x x"), "line 1, column 3: expected the end at 'x'");
  EXPECT_EQ(printed("load x[0]"), "line 1, column 6: no such buffer at 'x'");
  EXPECT_EQ(printed("cast(x, $too)"), "line 1, column 9: no such dtype at '$too'");
  EXPECT_NE(printed("exp(x)", DType::kInt32).find("needs a dtype with arithmetic"),
            std::string::npos);
}

}  // namespace
}  // namespace tenon::ir
