// Runs a loop function by the interpreter and as native code, and compares all they leave behind.
#pragma once

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <random>
#include <vector>

#include "interp/loop.h"
#include "ir/verify.h"
#include "ops/element.h"
#include "testing/native.h"

namespace tenon::testing {

/// The memory of one argument buffer.
struct Data {
  ir::DType dtype;
  std::vector<std::byte> bytes;

  size_t elements() const { return bytes.size() / ir::size_of(dtype); }
};

/// Elements with what is hard about their dtype: limits, zeros of both signs, ties, NaN, denormals.
inline Data random_data(ir::DType dtype, size_t elements, uint32_t seed) {
  std::mt19937 random(seed);
  Data data{dtype, std::vector<std::byte>(elements * ir::size_of(dtype))};
  ops::dispatch(dtype, [&]<class T>() {
    T* values = reinterpret_cast<T*>(data.bytes.data());
    for (size_t i = 0; i < elements; ++i) {
      if constexpr (std::same_as<T, bool>) {
        values[i] = random() % 2 != 0;
      } else if constexpr (std::integral<T>) {
        const T hard[] = {0,
                          1,
                          2,
                          static_cast<T>(-1),
                          std::numeric_limits<T>::min(),
                          std::numeric_limits<T>::max()};
        auto wide = static_cast<T>(uint64_t{random()} << 32 | random());
        values[i] = random() % 4 ? static_cast<T>(wide >> random() % (8 * sizeof(T)))
                                 : hard[random() % std::size(hard)];
      } else {
        using C = ops::Compute<T>;
        const double hard[] = {0.0, -0.0, 0.5, 1.5, -2.5, 1e-42, -3e-310, INFINITY, -INFINITY, NAN};
        double plain = std::uniform_real_distribution(-100.0, 100.0)(random);
        double value = random() % 4 ? plain : hard[random() % std::size(hard)];
        values[i] = T(static_cast<C>(value));
      }
    }
  });
  return data;
}

inline bool same_bits_or_nan(const Data& a, const Data& b, size_t i) {
  return ops::dispatch(a.dtype, [&]<class T>() {
    const T& x = reinterpret_cast<const T*>(a.bytes.data())[i];
    const T& y = reinterpret_cast<const T*>(b.bytes.data())[i];
    if constexpr (!std::integral<T>) {
      using C = ops::Compute<T>;
      if (std::isnan(static_cast<C>(x)) && std::isnan(static_cast<C>(y))) return true;
    }
    return std::memcmp(&x, &y, sizeof(T)) == 0;
  });
}

/// The kernel's return code, when interpreter and native code agree on it and on all memory.
inline int32_t expect_agreement(const ir::Function& function, const std::vector<Data>& memory,
                                std::vector<int64_t> params = {}, int64_t tasks = 1,
                                codegen::CodegenOptions options = {}) {
  EXPECT_EQ(ir::verify(function), "");
  std::vector<Data> expected = memory, actual = memory;
  auto pointers = [](std::vector<Data>& all) {
    std::vector<void*> result;
    for (Data& data : all) result.push_back(data.bytes.data());
    return result;
  };
  auto expected_pointers = pointers(expected), actual_pointers = pointers(actual);
  Result<int32_t> code = interp::run(function, expected_pointers, params, 0, tasks);
  EXPECT_TRUE(code) << code.error().text();
  if (!code) return -1;
  NativeCode native(codegen::compile({&function, 1}, host_target(), options));
  alignas(64) std::array<std::byte, 4096> scratch;
  EXPECT_LE(codegen::static_scratch_bytes(function).value_or(0), scratch.size());
  EXPECT_EQ(native.run(0, actual_pointers, params, 0, tasks, scratch.data()), *code);
  int shown = 0;
  for (size_t b = 0; b < memory.size(); ++b) {
    for (size_t i = 0; i < memory[b].elements(); ++i) {
      if (same_bits_or_nan(expected[b], actual[b], i)) continue;
      ADD_FAILURE() << fmt::format("{}[{}] differs in {}", function.buffers[b].name, i,
                                   function.name);
      if (++shown == 5) return *code;
    }
  }
  return *code;
}

/// Every known target gives code that links, which shows that no function of a library is missing.
inline void expect_code_on_all_targets(const ir::Function& function) {
  for (const std::string& name : target_names()) {
    codegen::Image image = codegen::compile({&function, 1}, *find_target(name));
    EXPECT_FALSE(image.code.empty()) << name;
  }
}

}  // namespace tenon::testing
