#include "ir/loop_text.h"

#include <gtest/gtest.h>

#include <random>

#include "ir/verify.h"

namespace tenon::ir {
namespace {

/// Text in the printer's form reads and prints as itself.
void expect_round_trip(std::string_view text) {
  auto function = parse_function(text);
  ASSERT_TRUE(function) << function.error().text();
  EXPECT_EQ(to_string(*function), text);
  EXPECT_EQ(verify(*function), "");
}

/// A function whose body is these lines.
std::string with_body(std::string_view body) {
  return "func f(n, m; in x: f32, in h: f16, in b: u8, in q: bool, inout y: f32, out z: i64) "
         "tasks n as task {\n" +
         std::string(body) + "}\n";
}

TEST(LoopText, Statements) {
  expect_round_trip(
      R"(func conv(n, m; in x: f32, out y: f32[n * 8], scratch t: f32[1024]) tasks n * 4 as tile {
  let a: i64 = tile * 8
  reg acc: f32x8 = 0.0
  vector for i = 0 to n {
    for j = i to n + m step 4 {
      acc = acc + load x[a + j]:8
      store t[j] = 0.0
    }
  }
  if a < n {
    store y[a] = acc
  } else {
    if true {
      store y[a] mask(ramp(a, 1, 8) < broadcast(n, 8)) = acc
    }
  }
  prefetch x[a + 64]
  prefetch write y[a + 64]
  check a < n code -3
}
)");
}

TEST(LoopText, SignaturesMayBeEmpty) {
  expect_round_trip("func f(; ) tasks 1 as task {\n}\n");
  expect_round_trip("func f(n; ) tasks n * 4 rounds n as task {\n}\n");
  expect_round_trip("func f(n; ) tasks n as n_1 {\n  if n < 3 {\n  } else {\n  }\n}\n");
}

constexpr std::string_view kExpressions = R"(  let v: f32x8 = load x[n]:8
  let m0: boolx8 = !(v < 0.0) & true | v == inf ^ v != nan
  let w: f32x8 = select(m0, v * 2.0 - (v - v), -v / (v % v)) + select(m0, f32x8(1.0), f32x8(-inf))
  let g: f32x8 = gather x[ramp(n, -2, 8)] mask(m0)
  let s: f32 = reduce_max(shuffle(v, w, [0, 15, 3, 3]))
  let u: f32 = extract(v, 7) + fma(s, 0.1, s) + pow(s, 3.0) + neg(f32(5.0))
  let c: i8x8 = cast(load h[n + 3]:8 mask(m0), i8)
  let d: i32x2 = bitcast(c, i32)
  let e: i64 = (n + 1) * (m - -3) / floor_div(n, 2) << 3 >> min(n, m) & n | 7
  let f: i64 = n - (m - n) - m * (n * m) - (n + m)
  let p: bool = load q[n]
  let big: u64 = 18446744073709551615
  let least: i64 = -9223372036854775808
  let k: f32 = softplus(exp(s)) + cast(bool(true), f32)
  let r: bool = f32(1.0) < f32(2.0)
  let l: bool = s <= 1e-30
)";

TEST(LoopText, Expressions) { expect_round_trip(with_body(kExpressions)); }

TEST(LoopText, OtherSpellingsReadToo) {
  auto function = parse_function(
      "// a comment\nfunc f(n; out z: i64) tasks 1 as task { if n >= 1 { store z[n] = 3 } }");
  ASSERT_TRUE(function) << function.error().text();
  EXPECT_EQ(to_string(*function),
            "func f(n; out z: i64) tasks 1 as task {\n  if 1 <= n {\n"
            "    store z[n] = 3\n  }\n}\n");
}

TEST(LoopText, NegativeNumbersWrapForUnsignedTypes) {
  auto function = parse_function(with_body("  let a: u64 = -1\n  let c: u8 = -128\n"));
  ASSERT_TRUE(function) << function.error().text();
  EXPECT_EQ(to_string(*function),
            with_body("  let a: u64 = 18446744073709551615\n  let c: u8 = 128\n"));
}

TEST(LoopText, ReadingFoldsNothing) {
  expect_round_trip(with_body("  let a: i64 = n + 0\n  let b: i64 = 1 + i64(2) * i64(3)\n"));
}

TEST(LoopText, SharedExpressionsArePrintedOnce) {
  LoopBuilder b("f");
  BufferId x = b.buffer("x", DType::kFloat32, BufferKind::kInOut);
  E n = b.param("n");
  E v = b.load(x, n + 1);
  for (int i = 0; i < 40; ++i) v = v * v;  // a tree of 2^40 leaves
  b.loop("i", n, [&](E i) { b.store(x, i, b.max(v, v + 1)); });
  std::string text = to_string(b.finish());
  EXPECT_NE(text.find("    expr e1 = load x[n + 1]\n    expr e2 = e1 * e1 * (e1 * e1)\n"),
            std::string::npos)
      << text;
  expect_round_trip(text);
}

TEST(LoopText, NamesAreMadeUniqueAndValid) {
  LoopBuilder b("2d conv/1");
  BufferId x = b.buffer("a-b", DType::kInt64, BufferKind::kOutput);
  b.buffer("a b", DType::kInt64, BufferKind::kOutput);
  E n = b.param("n"), load = b.param("load");
  b.loop("i", n, [&](E i) { b.loop("i", i, [&](E j) { b.store(x, i, j); }); });
  b.loop("i", n, [&](E i) {
    E sum = b.let("f32", i + load);
    b.store(x, sum, b.let("n", i));
  });
  std::string text = to_string(b.finish());
  EXPECT_EQ(text, R"(func _2d_conv_1(n, load_1; out a_b: i64, out a_b_1: i64) tasks 1 as task {
  for i = 0 to n {
    for i_1 = 0 to i {
      store a_b[i] = i_1
    }
  }
  for i = 0 to n {
    let f32_1: i64 = i + load_1
    let n_1: i64 = i
    store a_b[f32_1] = n_1
  }
}
)");
  expect_round_trip(text);
}

struct BadText {
  std::string_view body;
  std::string_view message;
};

TEST(LoopText, ErrorsSayWhere) {
  const BadText rows[] = {
      {"  let a: i64 = \n", "line 3, column 1: expected an expression at '}'"},
      {"  let a: i64 = n @ 1\n", "line 2, column 18: unexpected character '@'"},
      {"  let a: i64 = k\n", "line 2, column 16: no such name at 'k'"},
      {"  let n: i64 = 1\n", "line 2, column 7: the name is in use at 'n'"},
      {"  let f32: i64 = 1\n", "a reserved word cannot be a name"},
      {"  let a: i63 = 1\n", "no such type at 'i63'"},
      {"  let a: i64 = 1.5\n", "a number that i64 does not hold"},
      {"  let a: i64 = n + 1.0\n", "line 2, column 20: a number that i64 does not hold at '1.0'"},
      {"  let a: u8 = 256\n", "a number that u8 does not hold"},
      {"  let a: u8 = -129\n", "a number that u8 does not hold"},
      {"  let a: i64 = 9223372036854775808\n", "a number that i64 does not hold"},
      {"  let a: f32 = true\n", "a bool where f32 is needed"},
      {"  let a: f32 = n\n", "i64 where f32 is needed"},
      {"  let a: bool = 1 < 2\n", "the number's type is not known"},
      {"  let a: f32 = load x[n] + n\n", "i64 beside f32"},
      {"  let a: f32x4 = load x[n]:4 + load x[n]:8\n", "f32x8 beside f32x4"},
      {"  let a: f32 = load w[n]\n", "no such buffer at 'w'"},
      {"  let a: f32x1 = load x[n]:1\n", "no such type at 'f32x1'"},
      {"  let a: f32 = load x[n]:1\n", "expected a number of lanes"},
      {"  let a: f32 = extract(load x[n]:4, 4)\n", "no such lane"},
      {"  let a: f32x2 = shuffle(load x[n]:4, load x[n]:4, [0, 8])\n", "no such lane"},
      {"  let a: i64 = bitcast(load h[n], i64)\n", "the bytes do not make whole lanes"},
      {"  let a: f16 = load h[n] + load h[n]\n", "(add: f16) needs a dtype with arithmetic"},
      {"  let a: f32 = sine(load x[n])\n", "no such function at 'sine'"},
      {"  a = 1\n", "no such statement or register at 'a'"},
      {"  check n < 1 code 0\n", "has a code that is no 32-bit status"},
      {"  for i = 0 to n step 0 {\n  }\n", "expected a positive step"},
      {"  store x[n] = 1.0\n", "stores to input x"},
      {"  store y[n] = n\n", "a value of another dtype"},
      {"  for i = 0 to n {\n", "expected a statement at the end"},
      {"  if n < 1 {\n    let a: i64 = 1\n  }\n  let c: i64 = a\n", "no such name at 'a'"},
  };
  for (const BadText& row : rows) {
    auto function = parse_function(with_body(row.body));
    ASSERT_FALSE(function) << row.body;
    EXPECT_NE(function.error().text().find(row.message), std::string::npos)
        << row.body << function.error().text();
  }
}

// A fuzzer in small: pieces of a rich text are dropped, doubled and swapped. Whatever comes out is
// an error or a function that round-trips.
TEST(LoopText, DamagedTextIsAnErrorOrAFunction) {
  std::mt19937 random(7);
  std::string body(kExpressions);
  int readable = 0;
  for (int round = 0; round < 1000; ++round) {
    std::string text = with_body(body);
    for (int edits = 1 + static_cast<int>(random() % 3); edits > 0; --edits) {
      size_t from = random() % text.size(), length = 1 + random() % 4;
      std::string piece = text.substr(random() % text.size(), random() % 6);
      text.replace(from, random() % 2 == 0 ? length : piece.size(), piece);
    }
    auto function = parse_function(text);
    if (!function) continue;
    ++readable;
    expect_round_trip(to_string(*function));
  }
  EXPECT_GT(readable, 0);
}

TEST(LoopText, DeepNestingIsAnError) {
  std::string open(100000, '('), blocks;
  for (int i = 0; i < 1000; ++i) blocks += "if n < 1 {";
  EXPECT_FALSE(parse_function(with_body("let a: i64 = " + open)));
  EXPECT_FALSE(parse_function(with_body("let a: i64 = " + std::string(100000, '!'))));
  EXPECT_FALSE(parse_function(with_body(blocks)));
}

}  // namespace
}  // namespace tenon::ir
