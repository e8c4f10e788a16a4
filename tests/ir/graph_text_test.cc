#include "ir/graph_text.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <numeric>

#include "ir/element.h"
#include "ir/verify.h"

namespace tenon::ir {
namespace {

/// Every attribute kind, optional and variadic operands, several results, symbols, names, origins,
/// placements and groups, as printing writes them.
constexpr std::string_view kEverything = R"text(module "net \"v1\"" graph "main" {
  input %0 "x": f32[batch, 3, "image size", 224]
  input %1: f32[batch + 1, floor_div(n + 3, 4), min(512, n)]
  %2 "w": f32[4, 3, 1, 1] = constant() {data = [1, -0, 0.1, inf, -inf, 0x7fc00000, 1e-45, 3, 4, 5, 6, 7] "conv.w"}
  %3: f32[batch, 4, "image size", 224] = conv(%0, %2, _) {dilations = [1, 1], groups = 1, pads = [0, 0, 0, 0], strides = [1, 1]} from "/conv (Conv)" "model.py:12"
  %4: f32[batch, 4, "image size", 224] = leaky_relu(%3) {alpha = 0.01} from "/act"
  %5: f16[batch, 4, "image size", 224] = cast(%4) {to = f16}
  %6: f32[8*batch, 4] = resize(%1) {coordinates = "half_pixel", cubic = -0.75, dims = [8*batch, 4], exclude_outside = false, mode = "linear", nearest = "floor", scales = [8, 0.1]}
  %7: f32[8*batch, 8] = concat(%6, %6) {axis = 1}
  %8: f32[8*batch, k], %9: i64[8*batch, k] = top_k(%7) {axis = 1, k = [k], largest = true}
  %10: i64[2] = dims_tensor() {dims = [8*batch, k]}
  %11: f32[100] = parameter() {data = _ "packed"}
  output %5 "y"
  output %9
  output %5 "again \x0a"
  place %3 {offset = 7, size = 1000*batch, strides = [896*"image size", 224*"image size", 224, 1], halo = [0, 0, 1, 1, 0, 0, 1, 1]}
  place %4 in %3 {offset = 7, strides = [896*"image size", 224*"image size", 224, 1]}
  group [%3, %4] anchor %3
  group [%5]
  limit "image size" 4096
  limit n 512
}
)text";

std::string reprinted(std::string_view text, const DataResolver& resolve = {}) {
  const Result<Module> module = parse_module(text, resolve);
  return module ? to_string(*module) : module.error().text();
}

std::string error_of(std::string_view body, const DataResolver& resolve = {}) {
  const std::string text = "module \"m\" {\n" + std::string(body) + "\n}";
  const Result<Module> module = parse_module(text, resolve);
  return module ? "no error" : module.error().text();
}

TEST(GraphText, RoundTripsEverything) { EXPECT_EQ(reprinted(kEverything), kEverything); }

TEST(GraphText, WhatIsReadIsWellFormed) {
  const Result<Module> module = parse_module(kEverything);
  ASSERT_TRUE(module.has_value()) << module.error().text();
  EXPECT_EQ(verify(*module), "");
}

TEST(GraphText, ReadsWhatItSays) {
  const Result<Module> read = parse_module(kEverything);
  ASSERT_TRUE(read.has_value()) << read.error().text();
  const Module& module = *read;
  EXPECT_EQ(module.name, "net \"v1\"");
  EXPECT_EQ(module.graph.name, "main");
  EXPECT_EQ(module.graph.output_names, (std::vector<std::string>{"y", "", "again \n"}));
  const NodeId conv = module.graph.nodes[1];
  EXPECT_FALSE(module.node(conv).inputs[2]);
  EXPECT_EQ(module.where(conv).source, "model.py:12");
  const Data& data = module.data(module.node(module.graph.nodes[0]).attrs.data("data"));
  EXPECT_EQ(data.name, "conv.w");
  float values[12];
  std::memcpy(values, data.bytes.data(), sizeof values);
  EXPECT_EQ(values[2], 0.1f);
  EXPECT_TRUE(std::signbit(values[1]));
  EXPECT_EQ(module.placements.size(), module.value_count());
  EXPECT_EQ(module.placements[3].halo, (std::vector<int64_t>{0, 0, 1, 1, 0, 0, 1, 1}));
  EXPECT_EQ(module.placements[4].storage, ValueId(3));
  EXPECT_EQ(module.groups[0].anchor, conv);
  EXPECT_FALSE(module.groups[1].anchor);
  EXPECT_EQ(module.dims.limits().at("n"), 512);
}

TEST(GraphText, NumbersValuesInOrderOfAppearance) {
  EXPECT_EQ(reprinted("module \"m\" { // a comment\n input %7: f32[2]\n %3: f32[2] = relu(%7) "
                      "output %3 }"),
            "module \"m\" {\n  input %0: f32[2]\n  %1: f32[2] = relu(%0)\n  output %1\n}\n");
}

TEST(GraphText, TextDoesNotDependOnTheOrderOfSymbols) {
  Module module;
  const Dim late = module.dims.symbol("z"), early = module.dims.symbol("a");
  module.add_input({DType::kFloat32, {early, module.dims.add(late, early)}}, "x");
  const std::string text = to_string(module);
  EXPECT_EQ(text, "module \"\" {\n  input %0 \"x\": f32[a, a + z]\n}\n");
  EXPECT_EQ(reprinted(text), text);
}

/// A module with one constant of these bytes.
Module constant_of(DType dtype, std::span<const std::byte> bytes) {
  Module module;
  const TensorType type{dtype, {static_cast<int64_t>(bytes.size()) / size_of(dtype)}};
  const DataId data = module.add_owned_data(type, bytes);
  module.graph.nodes.push_back(
      module.make_node(Op::kConstant, {}, {{"data", data}}, {type}, OriginId()));
  return module;
}

TEST(GraphText, SmallDataKeepsEveryBit) {
  std::array<std::byte, 8 * 2> bytes;
  for (int seed = 0; seed < 256; ++seed) {
    for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = std::byte(seed * 31 + i * (seed | 1));
    for (int i = 1; i <= static_cast<int>(DType::kFloat64); ++i) {
      const Module module = constant_of(static_cast<DType>(i), std::span(bytes).first(16));
      const std::string text = to_string(module);
      const Result<Module> again = parse_module(text);
      ASSERT_TRUE(again.has_value()) << text << again.error().text();
      EXPECT_TRUE(std::ranges::equal(again->data(DataId(0)).bytes, std::span(bytes).first(16)))
          << text;
    }
  }
}

TEST(GraphText, EveryHalfKeepsItsBits) {
  for (uint32_t bits = 0; bits < 0x10000; bits += 8) {
    std::array<uint16_t, 8> halves;
    std::iota(halves.begin(), halves.end(), static_cast<uint16_t>(bits));
    for (DType dtype : {DType::kFloat16, DType::kBFloat16}) {
      const Module module = constant_of(dtype, std::as_bytes(std::span(halves)));
      const Result<Module> again = parse_module(to_string(module));
      ASSERT_TRUE(again.has_value());
      EXPECT_TRUE(std::ranges::equal(again->data(DataId(0)).bytes, module.data(DataId(0)).bytes))
          << to_string(module) << to_string(*again);
    }
  }
}

TEST(GraphText, ElementsAreTheirNumbers) {
  const auto number = [](std::string_view type, std::string_view element) {
    const std::string text = "module \"m\" { %0: " + std::string(type) +
                             "[1] = constant() {data = [" + std::string(element) + "]} }";
    const Result<Module> module = parse_module(text);
    return module ? module->scalar(ValueId(0)) : std::nullopt;
  };
  EXPECT_EQ(number("f16", "0.1"), static_cast<double>(static_cast<_Float16>(0.1f)));
  EXPECT_EQ(number("bf16", "1.00390625"), 1.0);  // halfway: to even
  EXPECT_EQ(number("bf16", "1.01171875"), 1.015625);
  EXPECT_EQ(number("i8", "-128"), -128);
  EXPECT_EQ(number("u64", "18446744073709551615"), 18446744073709551616.0);
  EXPECT_FALSE(number("i8", "128").has_value());
  EXPECT_FALSE(number("u8", "-1").has_value());
  EXPECT_FALSE(number("bool", "1").has_value());
  EXPECT_FALSE(number("f32", "1x").has_value());
}

TEST(GraphText, LargeDataIsResolvedByItsHash) {
  std::array<float, 17> values;
  std::iota(values.begin(), values.end(), 0.0f);
  const TensorType type{DType::kFloat32, {17}};
  const Data data{type, std::as_bytes(std::span(values)), "w"};
  Module module;
  const DataId id = module.add_data(data);
  module.graph.nodes.push_back(
      module.make_node(Op::kParameter, {}, {{"data", id}}, {type}, OriginId()));
  const std::string text = to_string(module);
  EXPECT_NE(text.find("data = @" + data_hash(data) + " \"w\""), std::string::npos) << text;

  const DataResolver resolve = [&](std::string_view hash) {
    return hash == data_hash(data) ? std::optional(data) : std::nullopt;
  };
  EXPECT_EQ(reprinted(text, resolve), text);
  EXPECT_EQ(parse_module(text, resolve)->data(DataId(0)).bytes.data(), data.bytes.data());
  EXPECT_NE(reprinted(text).find("no data for @"), std::string::npos);

  const std::string other_size = "%0: f32[16] = parameter() {data = @" + data_hash(data) + "}";
  EXPECT_NE(error_of(other_size, resolve).find("has 68 bytes, not 64"), std::string::npos);
}

TEST(GraphText, HashesWithXxh64) {
  EXPECT_EQ(data_hash({}), "ef46db3751d8e999");  // the published value for empty input and seed 0
}

struct BadText {
  const char* body;
  const char* error;
};

class GraphTextErrors : public ::testing::TestWithParam<BadText> {};

TEST_P(GraphTextErrors, AreNamed) {
  EXPECT_EQ(error_of(GetParam().body), GetParam().error) << GetParam().body;
}

INSTANTIATE_TEST_SUITE_P(
    All, GraphTextErrors,
    ::testing::Values(
        BadText{"frob",
                "line 2, column 1: expected a value, 'input', 'output', 'place', 'group', 'size', "
                "'limit' or '}'"},
        BadText{"input %0: f99[2]", "line 2, column 11: no element type 'f99'"},
        BadText{"input %0: f32", "line 3, column 1: expected '['"},
        BadText{"input %0: f32[2\n3]", "line 3, column 1: expected ','"},
        BadText{"input %0: f32[] input %0: f32[]", "line 2, column 23: %0 is defined twice"},
        BadText{"%0: f32[] = relu(%0)", "line 2, column 18: %0 is not defined"},
        BadText{"%0: f32[], %0: f32[] = relu()", "line 2, column 12: %0 is defined twice"},
        BadText{"%0: f32[] = frob()", "line 2, column 13: no operator 'frob'"},
        BadText{"%0: f32[] = relu() {x = 1}", "line 2, column 21: 'relu' has no attribute 'x'"},
        BadText{"%0: f32[] = concat() {axis = 1, axis = 1}",
                "line 2, column 33: attribute 'axis' is given twice"},
        BadText{"%0: f32[] = concat() {axis = x}", "line 2, column 30: expected a 64-bit integer"},
        BadText{"%0: f32[] = cast() {to = 3}", "line 2, column 26: expected a name"},
        BadText{"%0: f32[] = trilu() {upper = 1}", "line 2, column 30: expected 'true' or 'false'"},
        BadText{"%0: f32[] = elu() {alpha = 1.5.5}", "line 2, column 28: '1.5.5' is no f64"},
        BadText{"%0: f32[] = pad() {mode = edge}",
                "line 2, column 27: expected a text in double quotes"},
        BadText{"%0: f32[] = constant() {data = @00}", "line 2, column 32: no data for @00"},
        BadText{"%0: f32[2] = constant() {data = [1]}",
                "line 2, column 33: another number of elements than the type says"},
        BadText{"%0: f32[2] = constant() {data = []}",
                "line 2, column 33: another number of elements than the type says"},
        BadText{"%0: f32[n] = constant() {data = [1]}",
                "line 2, column 33: data of a type that is not static"},
        BadText{"%0: f32[9223372036854775807] = constant() {data = [1]}",
                "line 2, column 51: data of a type that no memory can hold"},
        BadText{"input %0: f32[] group [%0]", "line 2, column 24: expected the result of a node"},
        BadText{"input %0: f32[] place %0 {at = 3}",
                "line 2, column 27: expected 'offset', 'size', 'strides' or 'halo'"},
        BadText{"input %0 \"x", "line 2, column 10: a text without its closing quote"},
        BadText{
            "input %0 \"\\q\": f32[]",
            "line 2, column 10: unknown escape in a text; known are \\\", \\\\ and \\x with two "
            "digits"},
        BadText{"} }", "line 2, column 3: more text than one module"}));

TEST(GraphText, NoPrefixOfATextBreaksTheParser) {
  for (size_t size = 0; size + 2 < kEverything.size(); ++size) {
    EXPECT_FALSE(parse_module(kEverything.substr(0, size)).has_value()) << size;
  }
}

}  // namespace
}  // namespace tenon::ir
