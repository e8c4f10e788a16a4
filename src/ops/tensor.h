// A dense row-major tensor in host memory: what reference evaluation, the interpreter and tests
// compute with.
#pragma once

#include <cstddef>
#include <cstring>
#include <memory>
#include <span>
#include <vector>

#include "base/result.h"
#include "ir/dtype.h"

namespace tenon::ops {

/// Owns its elements, or borrows them from memory that outlives it.
class Tensor {
 public:
  Tensor() = default;
  /// Uninitialised elements.
  Tensor(ir::DType dtype, std::vector<int64_t> shape);
  /// Borrows `bytes`, which must hold exactly the elements; such a tensor is only read. Files keep
  /// data at any address: bytes that are not aligned as their dtype needs are copied.
  static Tensor borrow(ir::DType dtype, std::vector<int64_t> shape,
                       std::span<const std::byte> bytes);
  /// Borrows memory to write to: uninitialised elements in `bytes`, which must hold exactly them
  /// and be aligned.
  static Tensor over(ir::DType dtype, std::vector<int64_t> shape, std::span<std::byte> bytes);

  template <class T>
  static Tensor of(ir::DType dtype, std::vector<int64_t> shape, std::initializer_list<T> elements) {
    Tensor tensor(dtype, std::move(shape));
    TENON_CHECK(elements.size() * sizeof(T) == tensor.byte_count(),
                "as many elements as the shape says");
    std::memcpy(tensor.bytes(), elements.begin(), tensor.byte_count());
    return tensor;
  }

  ir::DType dtype() const { return dtype_; }
  const std::vector<int64_t>& shape() const { return shape_; }
  int64_t rank() const { return static_cast<int64_t>(shape_.size()); }
  int64_t count() const { return count_; }
  size_t byte_count() const { return static_cast<size_t>(count_) * ir::size_of(dtype_); }

  const std::byte* bytes() const { return data_; }
  std::byte* bytes() { return const_cast<std::byte*>(data_); }
  template <class T>
  std::span<const T> as() const {
    return {reinterpret_cast<const T*>(data_), static_cast<size_t>(count_)};
  }
  template <class T>
  std::span<T> as() {
    return {reinterpret_cast<T*>(bytes()), static_cast<size_t>(count_)};
  }

  /// Element i in row-major order as a double; exact for every dtype but 64-bit integers beyond
  /// 2^53.
  double number(int64_t i) const;
  int64_t integer(int64_t i) const;
  void set_number(int64_t i, double value);
  void set_integer(int64_t i, int64_t value);

  /// Leaves the first elements, under a shape that has no more of them; the memory stays.
  void keep_first(std::vector<int64_t> shape);

  /// The elements converted to another dtype by the rules of the loop language's cast.
  Tensor cast(ir::DType to) const;

 private:
  Tensor(ir::DType dtype, std::vector<int64_t> shape, std::span<const std::byte> bytes);

  ir::DType dtype_ = ir::DType::kFloat32;
  std::vector<int64_t> shape_;
  int64_t count_ = 0;
  std::shared_ptr<std::byte[]> owned_;
  const std::byte* data_ = nullptr;
};

/// IEEE half and bfloat16 conversions, to nearest even.
float half_to_float(uint16_t bits);
uint16_t float_to_half(float value);
float bfloat_to_float(uint16_t bits);
uint16_t float_to_bfloat(float value);

}  // namespace tenon::ops
