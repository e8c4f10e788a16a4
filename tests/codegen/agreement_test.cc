// Native code against the interpreter, bit for bit, over expression kinds, dtypes and lanes.
#include "testing/agreement.h"

#include "ir/loop_builder.h"

namespace tenon::codegen {
namespace {

using ir::BufferKind;
using ir::DType;
using ir::E;
using ir::ExprKind;
using ir::LoopBuilder;
using ir::R;
using testing::Data;
using testing::expect_agreement;
using testing::expect_code_on_all_targets;
using testing::random_data;

constexpr int64_t kTasks = 12;

const DType kDTypes[] = {
#define DTYPE(name, text, bytes, kind) DType::name,
#include "ir/dtype.def"
#undef DTYPE
};

bool computes(DType dtype) { return dtype != DType::kBool && ir::compute_type(dtype) == dtype; }

std::string name(DType dtype, int lanes) { return fmt::format("{}x{}", to_string(dtype), lanes); }

/// A function over three inputs and a mask, of kTasks * lanes elements each, whose results of the
/// same dtype, and bool ones, go to two outputs.
class Elementwise {
 public:
  Elementwise(DType dtype, int lanes) : dtype_(dtype), lanes_(lanes), b_(name(dtype, lanes)) {
    for (const char* input : {"a", "b", "c"}) {
      inputs_.push_back(b_.buffer(input, dtype, BufferKind::kInput));
    }
    mask_ = b_.buffer("m", DType::kBool, BufferKind::kInput);
    out_ = b_.buffer("out", dtype, BufferKind::kOutput);
    flags_ = b_.buffer("flags", DType::kBool, BufferKind::kOutput);
    base_ = b_.tasks(b_.integer(kTasks)) * lanes;
  }

  LoopBuilder& builder() { return b_; }
  E input(int number) { return b_.load(inputs_[number], base_, lanes_); }
  E mask() { return b_.load(mask_, base_, lanes_); }

  void result(E value) {
    bool flag = value.type().dtype == DType::kBool && dtype_ != DType::kBool;
    int64_t& count = flag ? flag_count_ : out_count_;
    E index = base_ + count++ * kTasks * lanes_;
    b_.store(flag ? flags_ : out_, index, value);
  }

  void check() {
    auto elements = static_cast<size_t>(kTasks * lanes_);
    std::vector<Data> data;
    for (uint32_t seed : {1, 2, 3}) data.push_back(random_data(dtype_, elements, seed));
    data.push_back(random_data(DType::kBool, elements, 4));
    data.push_back(random_data(dtype_, elements * out_count_, 5));
    data.push_back(random_data(DType::kBool, elements * flag_count_, 6));
    ir::Function function = b_.finish();
    expect_agreement(function, data, {}, kTasks);
    expect_code_on_all_targets(function);
  }

 private:
  DType dtype_;
  int lanes_;
  LoopBuilder b_;
  std::vector<ir::BufferId> inputs_;
  ir::BufferId mask_, out_, flags_;
  E base_;
  int64_t out_count_ = 0, flag_count_ = 0;
};

class EachType : public ::testing::TestWithParam<std::tuple<DType, int>> {
 protected:
  DType dtype() const { return std::get<0>(GetParam()); }
  int lanes() const { return std::get<1>(GetParam()); }
};

INSTANTIATE_TEST_SUITE_P(
    All, EachType, ::testing::Combine(::testing::ValuesIn(kDTypes), ::testing::Values(1, 3, 8, 16)),
    [](const auto& info) { return name(std::get<0>(info.param), std::get<1>(info.param)); });

TEST_P(EachType, Moves) {
  Elementwise f(dtype(), lanes());
  LoopBuilder& b = f.builder();
  E a = f.input(0), c = f.input(1);
  f.result(b.select(f.mask(), a, c));
  f.result(b.broadcast(b.extract(a, lanes() - 1), lanes()));
  std::vector<int> interleaved;
  for (int i = 0; i < lanes(); ++i) interleaved.push_back(i % 2 ? lanes() + i / 2 : i / 2);
  f.result(b.shuffle(a, c, interleaved));
  f.result(b.literal(1, a.type()));
  if (dtype() != DType::kBool) f.result(b.bitcast(b.bitcast(a, DType::kUInt8), dtype()));
  f.check();
}

TEST_P(EachType, Bits) {
  if (ir::is_float(dtype())) GTEST_SKIP() << "floats have no such operation";
  Elementwise f(dtype(), lanes());
  LoopBuilder& b = f.builder();
  E a = f.input(0), c = f.input(1);
  f.result(b.unary(ExprKind::kNot, a));
  for (ExprKind kind : {ExprKind::kAnd, ExprKind::kOr, ExprKind::kXor}) {
    f.result(b.binary(kind, a, c));
  }
  if (dtype() != DType::kBool) {
    E shift = b.binary(ExprKind::kAnd, c, b.literal(8 * ir::size_of(dtype()) - 1, a.type()));
    f.result(b.binary(ExprKind::kShl, a, shift));
    f.result(b.binary(ExprKind::kShr, a, shift));
    f.result(b.binary(ExprKind::kShr, a, b.literal(3, a.type())));
  }
  f.check();
}

TEST_P(EachType, Compares) {
  if (!computes(dtype()) && dtype() != DType::kBool) GTEST_SKIP() << "not computed in";
  Elementwise f(dtype(), lanes());
  LoopBuilder& b = f.builder();
  for (ExprKind kind : {ExprKind::kEq, ExprKind::kNe, ExprKind::kLt, ExprKind::kLe}) {
    f.result(b.binary(kind, f.input(0), f.input(1)));
    f.result(b.binary(kind, f.input(0), f.input(0)));
  }
  f.check();
}

TEST_P(EachType, Arithmetic) {
  if (!computes(dtype())) GTEST_SKIP() << "not computed in";
  Elementwise f(dtype(), lanes());
  LoopBuilder& b = f.builder();
  E x = f.input(0), y = f.input(1), z = f.input(2);
  for (ExprKind kind :
       {ExprKind::kAdd, ExprKind::kSub, ExprKind::kMul, ExprKind::kMin, ExprKind::kMax}) {
    f.result(b.binary(kind, x, y));
  }
  f.result(b.unary(ExprKind::kNeg, x));
  f.result(b.unary(ExprKind::kAbs, x));
  f.result(b.fma(x, y, z));
  f.result(x * y + z);
  for (ExprKind kind :
       {ExprKind::kReduceAdd, ExprKind::kReduceMul, ExprKind::kReduceMin, ExprKind::kReduceMax}) {
    f.result(b.broadcast(b.reduce(kind, x), lanes()));
  }
  if (ir::is_float(dtype())) {
    f.result(x / y);
    for (ExprKind kind :
         {ExprKind::kSqrt, ExprKind::kFloor, ExprKind::kCeil, ExprKind::kRound, ExprKind::kTrunc}) {
      f.result(b.unary(kind, x));
    }
  } else {
    f.result(b.ramp(b.extract(x, 0), -3, lanes()));
  }
  f.check();
}

TEST_P(EachType, Division) {
  if (!ir::is_integer(dtype())) GTEST_SKIP() << "only integers have it";
  Elementwise f(dtype(), lanes());
  LoopBuilder& b = f.builder();
  E x = f.input(0), y = f.input(1);
  E zero = b.literal(0, x.type());
  std::vector<E> divisors = {y};
  for (int number : {1, 2, 3, 7, 10, 64, -1, -2, -5}) {
    if (number > 0 || ir::is_signed(dtype())) divisors.push_back(b.literal(number, x.type()));
  }
  for (E divisor : divisors) {
    for (ExprKind kind :
         {ExprKind::kDiv, ExprKind::kRem, ExprKind::kFloorDiv, ExprKind::kFloorMod}) {
      // Division by zero must not trap, but what it gives is open.
      f.result(b.select(divisor == zero, x, b.binary(kind, x, divisor)));
    }
  }
  f.check();
}

class EachCast : public ::testing::TestWithParam<std::tuple<DType, DType>> {};

INSTANTIATE_TEST_SUITE_P(All, EachCast,
                         ::testing::Combine(::testing::ValuesIn(kDTypes),
                                            ::testing::ValuesIn(kDTypes)),
                         [](const auto& info) {
                           return fmt::format("{}_{}", to_string(std::get<0>(info.param)),
                                              to_string(std::get<1>(info.param)));
                         });

TEST_P(EachCast, ScalarAndVector) {
  auto [from, to] = GetParam();
  constexpr int64_t kElements = 64;
  LoopBuilder b("cast");
  auto x = b.buffer("x", from, BufferKind::kInput);
  auto y = b.buffer("y", to, BufferKind::kOutput);
  auto z = b.buffer("z", to, BufferKind::kOutput);
  b.loop("i", b.integer(kElements), [&](E i) { b.store(y, i, b.cast(b.load(x, i), to)); });
  b.loop("i", b.integer(0), b.integer(kElements), 8,
         [&](E i) { b.store(z, i, b.cast(b.load(x, i, 8), to)); });
  Data data = random_data(from, kElements, 7);
  if (ir::is_float(from) && ir::is_integer(to)) {
    // In the range of every integer type; beyond it the value is open.
    ops::dispatch(from, [&]<class T>() {
      if constexpr (!std::integral<T>) {
        for (int i = 0; i < kElements; ++i) {
          float value =
              ir::is_signed(to) ? 3.7f * static_cast<float>(i - 32) : 1.9f * static_cast<float>(i);
          reinterpret_cast<T*>(data.bytes.data())[i] = T(value);
        }
      }
    });
  }
  ir::Function function = b.finish();
  expect_agreement(function, {data, random_data(to, kElements, 8), random_data(to, kElements, 9)});
  expect_code_on_all_targets(function);
}

TEST_P(EachType, MaskedMemory) {
  constexpr int64_t kElements = 96;
  LoopBuilder b("masked");
  E count = b.param("count");
  auto x = b.buffer("x", dtype(), BufferKind::kInput, b.integer(kElements));
  auto order = b.buffer("order", DType::kInt32, BufferKind::kInput, b.integer(kElements));
  auto y = b.buffer("y", dtype(), BufferKind::kOutput, b.integer(kElements));
  auto z = b.buffer("z", dtype(), BufferKind::kInOut, b.integer(kElements));
  E base = b.tasks(b.integer(kTasks)) * lanes();
  E tail = b.ramp(base, 1, lanes()) < b.broadcast(count, lanes());
  b.store(y, base, b.load(x, base, lanes(), tail));
  E indices = b.load(order, base, lanes(), tail);
  b.store(z, base, b.gather(x, indices, tail), tail);
  E wide = b.cast(indices, DType::kInt64);
  b.if_then(base < 32, [&] { b.store(z, base, b.gather(x, wide), tail); });
  ir::Function function = b.finish();
  Data permutation = random_data(DType::kInt32, kElements, 1);
  for (int i = 0; i < kElements; ++i) {
    reinterpret_cast<int32_t*>(permutation.bytes.data())[i] = i * 37 % kElements;
  }
  std::vector<Data> memory = {random_data(dtype(), kElements, 2), permutation,
                              random_data(dtype(), kElements, 3),
                              random_data(dtype(), kElements, 4)};
  expect_code_on_all_targets(function);
  for (int64_t count : {0, 1, 5, 13, 23}) {
    int64_t tasks = std::min<int64_t>(kTasks, kElements / lanes());
    // The full store to y needs room for whole vectors; only its loads are masked.
    expect_agreement(function, memory, {count}, tasks);
    EXPECT_EQ(expect_agreement(function, memory, {count}, tasks, {.checked = true}), 0);
  }
}

TEST(Agreement, RegistersInNestedLoops) {
  LoopBuilder b("nest");
  E n = b.param("n"), m = b.param("m");
  auto x = b.buffer("x", DType::kFloat32, BufferKind::kInput);
  auto y = b.buffer("y", DType::kFloat32, BufferKind::kOutput);
  E task = b.tasks(b.integer(3));
  b.loop("i", n, [&](E i) {
    R sum = b.let_register("sum", b.literal(0, {DType::kFloat32, 8}));
    R steps = b.let_register("steps", b.integer(0));
    R any = b.let_register("any", b.integer(0, DType::kBool));
    b.loop("j", i, m, 2, [&](E j) {
      E value = b.let("value", b.load(x, task * 16 + j, 8));
      b.if_then((j + i) % 3 == 0, [&] { b.assign(sum, sum.value + value); },
                [&] { b.assign(sum, b.fma(value, value, sum)); });
      b.assign(steps, steps.value + 1);
      b.assign(any, any.value | (b.extract(value, 0) < 0));
    });
    E scaled = sum.value * b.cast(b.broadcast(steps.value, 8), DType::kFloat32);
    b.store(y, (task * n + i) * 8, b.select(b.broadcast(any.value, 8), -scaled, scaled));
  });
  ir::Function function = b.finish();
  for (int64_t n : {0, 1, 5}) {
    expect_agreement(function,
                     {random_data(DType::kFloat32, 64, 1), random_data(DType::kFloat32, 120, 2)},
                     {n, 9}, 3);
  }
}

TEST(Agreement, RegistersSwap) {
  LoopBuilder b("fibonacci");
  auto y = b.buffer("y", DType::kInt64, BufferKind::kOutput);
  R low = b.let_register("low", b.integer(0)), high = b.let_register("high", b.integer(1));
  b.loop("i", b.integer(20), [&](E i) {
    b.store(y, i, low);
    E next = b.let("next", low.value + high.value);
    b.assign(low, high);
    b.assign(high, next);
  });
  expect_agreement(b.finish(), {random_data(DType::kInt64, 20, 1)});
}

TEST(Agreement, LoadsHappenWhereTheStatementStands) {
  LoopBuilder b("pinned");
  auto x = b.buffer("x", DType::kInt32, BufferKind::kInOut);
  E first = b.load(x, b.integer(0));
  E kept = b.let("kept", first);
  b.store(x, b.integer(0), first + 1);
  b.store(x, b.integer(1), first + 1);
  b.store(x, b.integer(2), kept + 1);
  expect_agreement(b.finish(), {random_data(DType::kInt32, 3, 1)});
}

TEST(Agreement, ChecksEndTheCall) {
  LoopBuilder b("stops");
  auto x = b.buffer("x", DType::kInt64, BufferKind::kInput);
  auto y = b.buffer("y", DType::kInt64, BufferKind::kOutput);
  E task = b.tasks(b.integer(10));
  b.loop("i", b.integer(2), [&](E i) {
    E value = b.let("value", b.load(x, task * 2 + i));
    b.check(value < 12, 7);
    b.check(value != 40, 9);
    b.store(y, task * 2 + i, value);
  });
  Data x_data = random_data(DType::kInt64, 20, 1);
  for (int64_t i = 0; i < 20; ++i) reinterpret_cast<int64_t*>(x_data.bytes.data())[i] = i;
  EXPECT_EQ(expect_agreement(b.finish(), {x_data, random_data(DType::kInt64, 20, 2)}, {}, 10), 7);
}

TEST(Agreement, ScratchBuffersFollowEachOther) {
  LoopBuilder b("scratch");
  E n = b.param("n");
  auto x = b.buffer("x", DType::kInt8, BufferKind::kInput);
  auto y = b.buffer("y", DType::kInt32, BufferKind::kOutput);
  auto bytes = b.buffer("bytes", DType::kInt8, BufferKind::kScratch, n + 1);
  auto words = b.buffer("words", DType::kInt32, BufferKind::kScratch, n);
  E task = b.tasks(b.integer(2));
  b.loop("i", n, [&](E i) {
    b.store(words, i, b.cast(b.load(x, task * n + i), DType::kInt32) * 3);
    b.store(bytes, i + 1, b.load(x, task * n + i));
  });
  b.loop("i", n, [&](E i) {
    b.store(y, task * n + i,
            b.load(words, n - 1 - i) + b.cast(b.load(bytes, i + 1), DType::kInt32));
  });
  b.prefetch(x, b.integer(1 << 20));
  expect_agreement(
      b.finish(), {random_data(DType::kInt8, 140, 1), random_data(DType::kInt32, 140, 2)}, {70}, 2);
}

/// Random expressions of one dtype, so that kinds meet in ways that nobody thought of.
TEST(Agreement, RandomExpressions) {
  const ExprKind kinds[] = {ExprKind::kAdd, ExprKind::kSub, ExprKind::kMul, ExprKind::kMin,
                            ExprKind::kMax};
  for (uint32_t seed = 0; seed < 40; ++seed) {
    std::mt19937 random(seed);
    auto pick = [&](const auto& from) { return from[random() % std::size(from)]; };
    DType dtype = pick(kDTypes);
    while (!computes(dtype)) dtype = pick(kDTypes);
    const int widths[] = {1, 2, 4, 5, 8, 32};
    Elementwise f(dtype, pick(widths));
    LoopBuilder& b = f.builder();
    std::vector<E> values = {f.input(0), f.input(1), f.input(2)};
    int lanes = values[0].type().lanes;
    for (int i = 0; i < 25; ++i) {
      E x = pick(values), y = pick(values);
      switch (random() % 8) {
        case 0: values.push_back(b.select(x < y, y, pick(values))); break;
        case 1: values.push_back(b.select(f.mask() & (x == y), x, -y)); break;
        case 2: values.push_back(b.broadcast(b.extract(x, random() % lanes), lanes)); break;
        case 3: {
          std::vector<int> order;
          for (int lane = 0; lane < lanes; ++lane) order.push_back(random() % (2 * lanes));
          values.push_back(b.shuffle(x, y, order));
          break;
        }
        case 4: values.push_back(b.cast(b.cast(x < y, DType::kInt32), dtype)); break;
        case 5: values.push_back(b.let("pinned", x)); break;
        default: values.push_back(b.binary(pick(kinds), x, y));
      }
    }
    for (size_t i = values.size() - 4; i < values.size(); ++i) f.result(values[i]);
    f.check();
  }
}

}  // namespace
}  // namespace tenon::codegen
