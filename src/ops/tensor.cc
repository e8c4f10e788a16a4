#include "ops/tensor.h"

#include <bit>

#include "ir/dim.h"
#include "ops/element.h"

namespace tenon::ops {
namespace {

int64_t count_of(std::span<const int64_t> shape) {
  std::optional<int64_t> count = ir::checked_product(shape);
  TENON_CHECK(count.has_value(), "a tensor's element count is a non-negative 64-bit number");
  return *count;
}

bool is_aligned(const std::byte* address, ir::DType dtype) {
  return reinterpret_cast<uintptr_t>(address) % ir::size_of(dtype) == 0;
}

}  // namespace

Tensor::Tensor(ir::DType dtype, std::vector<int64_t> shape)
    : dtype_(dtype), shape_(std::move(shape)), count_(count_of(shape_)) {
  owned_ = std::make_shared_for_overwrite<std::byte[]>(byte_count());
  data_ = owned_.get();
}

Tensor::Tensor(ir::DType dtype, std::vector<int64_t> shape, std::span<const std::byte> bytes)
    : dtype_(dtype), shape_(std::move(shape)), count_(count_of(shape_)), data_(bytes.data()) {
  TENON_CHECK(bytes.size() == byte_count(), "as many bytes as the shape says");
}

Tensor Tensor::borrow(ir::DType dtype, std::vector<int64_t> shape,
                      std::span<const std::byte> bytes) {
  Tensor tensor(dtype, std::move(shape), bytes);
  if (is_aligned(bytes.data(), dtype)) return tensor;
  Tensor copy(dtype, tensor.shape_);
  std::memcpy(copy.bytes(), bytes.data(), bytes.size());
  return copy;
}

Tensor Tensor::over(ir::DType dtype, std::vector<int64_t> shape, std::span<std::byte> bytes) {
  TENON_CHECK(is_aligned(bytes.data(), dtype), "memory to write elements to is aligned");
  return {dtype, std::move(shape), bytes};
}

double Tensor::number(int64_t i) const {
  return dispatch(dtype_,
                  [&]<class T>() { return convert<double>(as<T>()[static_cast<size_t>(i)]); });
}

int64_t Tensor::integer(int64_t i) const {
  return dispatch(dtype_,
                  [&]<class T>() { return convert<int64_t>(as<T>()[static_cast<size_t>(i)]); });
}

void Tensor::set_number(int64_t i, double value) {
  dispatch(dtype_, [&]<class T>() { as<T>()[static_cast<size_t>(i)] = convert<T>(value); });
}

void Tensor::set_integer(int64_t i, int64_t value) {
  dispatch(dtype_, [&]<class T>() { as<T>()[static_cast<size_t>(i)] = convert<T>(value); });
}

void Tensor::keep_first(std::vector<int64_t> shape) {
  shape_ = std::move(shape);
  count_ = count_of(shape_);
}

Tensor Tensor::cast(ir::DType to) const {
  Tensor result(to, shape_);
  dispatch(dtype_, [&]<class From>() {
    dispatch(to, [&]<class To>() {
      std::span<const From> source = as<From>();
      std::span<To> target = result.as<To>();
      for (size_t i = 0; i < source.size(); ++i) target[i] = convert<To>(source[i]);
    });
  });
  return result;
}

float half_to_float(uint16_t bits) {
  uint32_t sign = static_cast<uint32_t>(bits & 0x8000) << 16;
  uint32_t magnitude = bits & 0x7fff;
  if (magnitude < 0x0400) {  // zero or subnormal: the mantissa counts 2^-24
    float value = static_cast<float>(magnitude) * 0x1p-24F;
    return std::bit_cast<float>(std::bit_cast<uint32_t>(value) | sign);
  }
  uint32_t rebias = magnitude >= 0x7c00 ? 0x70000000U : 0x38000000U;
  return std::bit_cast<float>(((magnitude << 13) + rebias) | sign);
}

uint16_t float_to_half(float value) {
  uint32_t bits = std::bit_cast<uint32_t>(value);
  uint32_t sign = (bits >> 16) & 0x8000;
  uint32_t magnitude = bits & 0x7fffffff;
  uint32_t half = 0;
  if (magnitude > 0x7f800000) {  // NaN: quiet, the upper payload kept
    half = 0x7e00 | ((magnitude >> 13) & 0x01ff);
  } else if (magnitude >= 0x47800000) {
    half = 0x7c00;
  } else if (magnitude < 0x38800000) {
    // Subnormal: adding 0.5 leaves the multiple of 2^-24 in the low bits, rounded by the addition.
    float shifted = std::bit_cast<float>(magnitude) + 0.5F;
    half = std::bit_cast<uint32_t>(shifted) - std::bit_cast<uint32_t>(0.5F);
  } else {
    uint32_t rounded = magnitude + 0x0fff + ((magnitude >> 13) & 1);
    half = (rounded - 0x38000000) >> 13;
  }
  return static_cast<uint16_t>(half | sign);
}

float bfloat_to_float(uint16_t bits) {
  return std::bit_cast<float>(static_cast<uint32_t>(bits) << 16);
}

uint16_t float_to_bfloat(float value) {
  uint32_t bits = std::bit_cast<uint32_t>(value);
  if ((bits & 0x7fffffff) > 0x7f800000) return static_cast<uint16_t>((bits >> 16) | 0x0040);
  return static_cast<uint16_t>((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
}

}  // namespace tenon::ops
