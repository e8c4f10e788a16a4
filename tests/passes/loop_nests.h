// Random loop nests, and the comparison of a function with what a pass made of it.
#pragma once

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "interp/loop.h"
#include "ir/loop_builder.h"
#include "ir/loop_text.h"
#include "ir/verify.h"
#include "testing/agreement.h"

namespace tenon::passes {

inline ir::Function parse(std::string_view text) {
  auto function = ir::parse_function(text);
  EXPECT_TRUE(function) << function.error().text();
  return std::move(*function);
}

/// Small whole numbers, whose sums and products are exact in any order.
inline std::vector<testing::Data> whole_numbers(const ir::Function& function, size_t elements) {
  std::mt19937 random(11);
  std::vector<testing::Data> memory;
  for (const ir::Buffer& buffer : function.buffers) {
    if (buffer.kind == ir::BufferKind::kScratch) continue;
    testing::Data& data = memory.emplace_back(
        testing::Data{buffer.dtype, std::vector<std::byte>(elements * ir::size_of(buffer.dtype))});
    ops::dispatch(buffer.dtype, [&]<class T>() {
      T* values = reinterpret_cast<T*>(data.bytes.data());
      for (size_t i = 0; i < elements; ++i) {
        auto number = static_cast<int>(random() % 9);
        values[i] = static_cast<T>(static_cast<ops::Compute<T>>(
            ir::is_unsigned(buffer.dtype) || buffer.dtype == ir::DType::kBool ? number
                                                                              : number - 4));
      }
    });
  }
  return memory;
}

/// Where the interpreter sees both functions leave different memory; empty when nowhere. Zeros of
/// both signs are equal, and so is what NaN there is.
inline std::string difference(const ir::Function& before, const ir::Function& after,
                              const std::vector<testing::Data>& memory,
                              std::vector<int64_t> params = {}, int64_t tasks = 1) {
  std::vector<testing::Data> expected = memory, actual = memory;
  auto run = [&](const ir::Function& function, std::vector<testing::Data>& all) {
    std::vector<void*> pointers;
    for (testing::Data& data : all) pointers.push_back(data.bytes.data());
    Result<int32_t> code = interp::run(function, pointers, params, 0, tasks);
    EXPECT_TRUE(code) << code.error().text();
    return code.value_or(-1);
  };
  if (run(before, expected) != run(after, actual)) return "codes differ";
  std::string found;
  for (size_t b = 0; b < memory.size() && found.empty(); ++b) {
    ops::dispatch(memory[b].dtype, [&]<class T>() {
      for (size_t i = 0; i < memory[b].elements() && found.empty(); ++i) {
        using C = ops::Compute<T>;
        auto x = static_cast<C>(reinterpret_cast<const T*>(expected[b].bytes.data())[i]);
        auto y = static_cast<C>(reinterpret_cast<const T*>(actual[b].bytes.data())[i]);
        if (x == y || (x != x && y != y)) continue;
        found =
            fmt::format("{}[{}] is {}, was {}", before.buffers[b].name, i, double(y), double(x));
      }
    });
  }
  return found;
}

/// A random nest around a kVector loop: affine, runtime and gathered accesses of several dtypes,
/// lets, inner loops, registers and reductions. Run it with params {extent, 3} on kNestElements.
inline constexpr size_t kNestElements = 4096;

class RandomNest {
 public:
  explicit RandomNest(uint32_t seed) : random_(seed), b_("nest") {}

  struct Made {
    ir::Function function;
    int64_t extent;
  };

  Made make() {
    using namespace ir;
    int64_t extent = pick(41);
    E n = b_.param("n"), step = b_.param("step");
    bool is_known = pick(2);
    E end = is_known ? b_.integer(extent) : n;
    E begin = b_.integer(pick(3) ? 0 : pick(4));
    strides_ = {b_.integer(1), b_.integer(1), b_.integer(2), b_.integer(-1), b_.integer(3), step};
    for (DType dtype : {DType::kFloat32, DType::kFloat64, DType::kInt32, DType::kInt64,
                        DType::kUInt8, DType::kFloat16}) {
      inputs_.push_back(
          b_.buffer(fmt::format("x_{}", ir::to_string(dtype)), dtype, BufferKind::kInput));
    }
    dtype_ = kComputed[pick(std::size(kComputed))];
    for (int i = 0; i < 3; ++i) {
      outputs_.push_back(b_.buffer("y", i == 2 ? DType::kUInt8 : dtype_, BufferKind::kOutput));
    }
    b_.tasks(b_.integer(1));
    b_.loop("j", b_.integer(3), [&](E j) {
      row_ = j * 300 + 600;
      std::vector<R> sums;
      std::vector<int> ops;
      for (int i = pick(3); i-- > 0;) {
        sums.push_back(b_.let_register("sum", b_.literal(1, {dtype_})));
        ops.push_back(pick(is_float(dtype_) ? 4 : 5));
      }
      auto body = [&](E i) {
        i_ = i;
        lets_.clear();
        statements(2);
        for (size_t k = 0; k < sums.size(); ++k) b_.assign(sums[k], combined(ops[k], sums[k]));
        if (pick(2)) inner_loop();
        for (int out = 0; out < 2; ++out) store(out);
        if (pick(3) == 0)
          b_.store(outputs_[2], index(b_.integer(1)),
                   b_.cast(b_.cast(value(2), DType::kInt32), DType::kUInt8));
      };
      b_.loop("i", begin, end, 1, body, LoopKind::kVector);
      for (size_t k = 0; k < sums.size(); ++k) {
        b_.store(outputs_[0], j + static_cast<int64_t>(4 * k), sums[k]);
      }
    });
    return {b_.finish(), extent};
  }

 private:
  static constexpr ir::DType kComputed[] = {ir::DType::kFloat32, ir::DType::kFloat64,
                                            ir::DType::kInt32, ir::DType::kInt64};
  int pick(size_t count) { return static_cast<int>(random_() % count); }

  ir::E index(ir::E stride) {
    ir::E at = row_ + i_ * stride;
    return pick(2) ? at : at + pick(8);
  }

  ir::E loaded() {
    using namespace ir;
    BufferId buffer = inputs_[static_cast<size_t>(pick(inputs_.size()))];
    E at =
        pick(5) == 0 ? row_ + pick(9) : index(strides_[static_cast<size_t>(pick(strides_.size()))]);
    if (pick(6) == 0) at = row_ + b_.cast(b_.load(inputs_[4], at), DType::kInt64);
    if (pick(8) == 0) at = row_ + b_.floor_mod(i_ * 5, b_.integer(7));
    return b_.cast(b_.cast(b_.load(buffer, at), DType::kInt32), dtype_);
  }

  ir::E value(int depth) {
    using namespace ir;
    if (depth == 0) {
      switch (pick(6)) {
        case 0: return b_.literal(pick(5), {dtype_});
        case 1: return b_.cast(i_, dtype_);
        case 2:
          if (!lets_.empty()) return lets_[static_cast<size_t>(pick(lets_.size()))];
          [[fallthrough]];
        default: return loaded();
      }
    }
    E x = value(depth - 1), y = value(depth - 1);
    switch (pick(7)) {
      case 0: return x - y;
      case 1: return b_.min(x, y);
      case 2: return b_.max(x, y);
      case 3: return b_.select(x < y, y, x + 1);
      case 4: return b_.fma(value(0), value(0), x);
      case 5: return value(0) * value(0);
      default: return x + y;
    }
  }

  ir::E combined(int op, ir::E sum) {
    ir::E x = value(1);
    switch (op) {
      case 0: return sum + x;
      case 1: return b_.max(sum, x);
      case 2: return b_.min(x, sum);
      case 3: return b_.fma(value(0), value(0), sum);
      default: return sum - x;
    }
  }

  void statements(int count) {
    for (int i = 0; i < count; ++i) {
      if (pick(2)) lets_.push_back(b_.let("t", value(1)));
    }
  }

  void inner_loop() {
    ir::R tap = b_.let_register("tap", pick(2) ? value(0) : b_.literal(0, {dtype_}));
    b_.loop("k", b_.integer(pick(4)), [&](ir::E k) {
      ir::E row = row_;
      row_ = row + k * 2;
      auto add = [&] { b_.assign(tap, b_.max(tap, value(1)) + value(0)); };
      if (pick(3)) {
        add();
      } else {
        b_.if_then(k < 2, add);
      }
      row_ = row;
    });
    lets_.push_back(tap);
  }

  void store(int out) {
    if (pick(4) == 0) return;
    ir::E stride = strides_[static_cast<size_t>(pick(strides_.size()))];
    ir::E at = row_ + i_ * stride;
    ir::E mask = pick(4) == 0 ? value(0) < value(0) : ir::E{};
    b_.store(outputs_[static_cast<size_t>(out)], at, value(2), mask);
  }

  std::mt19937 random_;
  ir::LoopBuilder b_;
  std::vector<ir::BufferId> inputs_, outputs_;
  std::vector<ir::E> strides_, lets_;
  ir::DType dtype_ = ir::DType::kFloat32;
  ir::E i_, row_;
};

}  // namespace tenon::passes
