#include "import/onnx/tensor_data.h"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <cstring>

namespace tenon::import::onnx {
namespace {

using ir::DType;

struct DataType {
  std::string_view name;
  std::optional<DType> dtype;
};

/// By number; 0 is no type.
constexpr std::array<DataType, 27> kDataTypes = {{
    {"undefined", {}},
    {"float", DType::kFloat32},
    {"uint8", DType::kUInt8},
    {"int8", DType::kInt8},
    {"uint16", DType::kUInt16},
    {"int16", DType::kInt16},
    {"int32", DType::kInt32},
    {"int64", DType::kInt64},
    {"string", {}},
    {"bool", DType::kBool},
    {"float16", DType::kFloat16},
    {"double", DType::kFloat64},
    {"uint32", DType::kUInt32},
    {"uint64", DType::kUInt64},
    {"complex64", {}},
    {"complex128", {}},
    {"bfloat16", DType::kBFloat16},
    {"float8e4m3fn", {}},
    {"float8e4m3fnuz", {}},
    {"float8e5m2", {}},
    {"float8e5m2fnuz", {}},
    {"uint4", {}},
    {"int4", {}},
    {"float4e2m1", {}},
    {"float8e8m0", {}},
    {"uint2", {}},
    {"int2", {}},
}};

/// Integers of a few bits each, the first one in the lowest bits of a byte.
struct PackedType {
  DType dtype;  ///< what they are read as
  int bits;
};

std::optional<PackedType> packed_type(int32_t data_type) {
  switch (data_type) {
    case 21: return PackedType{DType::kUInt8, 4};
    case 22: return PackedType{DType::kInt8, 4};
    case 25: return PackedType{DType::kUInt8, 2};
    case 26: return PackedType{DType::kInt8, 2};
    default: return std::nullopt;
  }
}

std::unexpected<Error> bad(const Tensor& tensor, std::string_view problem) {
  return fail(ErrorKind::kBadModel, fmt::format("tensor '{}': {}", tensor.name, problem));
}

std::optional<uint64_t> parse_size(std::string_view text) {
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

template <class Target, class Source>
void store(const std::vector<Source>& elements, std::byte* target) {
  for (Source element : elements) {
    const auto value = static_cast<Target>(element);
    std::memcpy(target, &value, sizeof(Target));
    target += sizeof(Target);
  }
}

/// Writes the typed list that holds the elements of this dtype; integers keep their low bytes.
void store_elements(const Tensor& tensor, DType dtype, std::byte* target) {
  if (dtype == DType::kFloat32) return store<float>(tensor.floats, target);
  if (dtype == DType::kFloat64) return store<double>(tensor.doubles, target);
  switch (size_of(dtype)) {
    case 1: return store<uint8_t>(tensor.integers, target);
    case 2: return store<uint16_t>(tensor.integers, target);
    case 4: return store<uint32_t>(tensor.integers, target);
    default: return store<uint64_t>(tensor.integers, target);
  }
}

size_t listed_count(const Tensor& tensor, DType dtype) {
  if (dtype == DType::kFloat32) return tensor.floats.size();
  return dtype == DType::kFloat64 ? tensor.doubles.size() : tensor.integers.size();
}

}  // namespace

std::optional<DType> dtype_of(int32_t data_type) {
  if (data_type < 0 || data_type >= static_cast<int32_t>(kDataTypes.size())) return std::nullopt;
  return kDataTypes[static_cast<size_t>(data_type)].dtype;
}

std::string data_type_name(int32_t data_type) {
  if (data_type < 0 || data_type >= static_cast<int32_t>(kDataTypes.size())) {
    return fmt::format("type {}", data_type);
  }
  return std::string(kDataTypes[static_cast<size_t>(data_type)].name);
}

Result<std::span<const std::byte>> TensorReader::external(const Tensor& tensor, uint64_t size) {
  std::string_view location;
  uint64_t offset = 0;
  std::optional<uint64_t> length;
  for (const auto& [key, value] : tensor.external) {
    if (key == "location") {
      location = value;
    } else if (key == "offset" || key == "length") {
      const std::optional<uint64_t> number = parse_size(value);
      if (!number) {
        return bad(tensor, fmt::format("external data with {} '{}', which is no size", key, value));
      }
      if (key == "offset") {
        offset = *number;
      } else {
        length = number;
      }
    }
  }
  auto file = files_.find(location);
  if (file == files_.end()) {
    TENON_TRY(auto mapped, MappedFile::open_beneath(directory_, model_, location));
    file = files_.emplace(std::string(location), std::move(mapped)).first;
  }
  const std::span<const std::byte> bytes = file->second->bytes();
  if (offset > bytes.size() || length.value_or(size) > bytes.size() - offset ||
      size > bytes.size() - offset) {
    return bad(tensor, fmt::format("external data of {} bytes at {} lies beyond '{}', which has {}",
                                   length.value_or(size), offset, location, bytes.size()));
  }
  if (length && *length != size) {
    return bad(tensor,
               fmt::format("external data has {} bytes where the dims ask for {}", *length, size));
  }
  return bytes.subspan(offset, size);
}

bool is_packed(int32_t data_type) { return packed_type(data_type).has_value(); }

Result<TensorBytes> TensorReader::read_packed(const Tensor& tensor, DType dtype, int bits) {
  const auto per_byte = static_cast<size_t>(8 / bits);
  Tensor bytes = tensor;
  bytes.data_type = 2;  // uint8
  const std::optional<int64_t> count = ir::checked_product(tensor.dims);
  if (!count || static_cast<uint64_t>(*count) > limits_.tensor_bytes) {
    return bad(tensor, "its dims are negative or beyond the limit");
  }
  const auto elements = static_cast<size_t>(*count);
  bytes.dims = {static_cast<int64_t>((elements + per_byte - 1) / per_byte)};
  TENON_TRY(const TensorBytes packed, read(bytes));
  TensorBytes result{{dtype, {tensor.dims.begin(), tensor.dims.end()}}, {}, {}};
  result.owned.resize(elements);
  for (size_t i = 0; i < elements; ++i) {
    const auto byte = static_cast<unsigned>(packed.bytes[i / per_byte]);
    const unsigned shift = static_cast<unsigned>(bits) * static_cast<unsigned>(i % per_byte);
    int value = static_cast<int>((byte >> shift) & ((1U << bits) - 1));
    if (dtype == DType::kInt8 && value >= 1 << (bits - 1)) value -= 1 << bits;
    result.owned[i] = static_cast<std::byte>(value);
  }
  result.bytes = result.owned;
  return result;
}

Result<TensorBytes> TensorReader::read(const Tensor& tensor) {
  if (const std::optional<PackedType> packed = packed_type(tensor.data_type)) {
    return read_packed(tensor, packed->dtype, packed->bits);
  }
  const std::optional<DType> dtype = dtype_of(tensor.data_type);
  if (!dtype) {
    return fail(
        ErrorKind::kUnsupported,
        fmt::format("tensors of {} (tensor '{}')", data_type_name(tensor.data_type), tensor.name));
  }
  if (tensor.segmented) return bad(tensor, "is split into segments, which nothing writes");
  const std::optional<int64_t> count = ir::checked_product(tensor.dims);
  const uint64_t element_size = static_cast<uint64_t>(size_of(*dtype));
  if (!count || static_cast<uint64_t>(*count) > limits_.tensor_bytes / element_size) {
    return bad(tensor, "its dims are negative or beyond the limit");
  }
  const uint64_t size = static_cast<uint64_t>(*count) * element_size;

  TensorBytes result{{*dtype, {tensor.dims.begin(), tensor.dims.end()}}, {}, {}};
  if (tensor.is_external) {
    TENON_TRY(result.bytes, external(tensor, size));
    return result;
  }
  if (tensor.raw && (size != 0 || !tensor.raw->empty())) {
    if (tensor.raw->size() != size) {
      return bad(tensor, fmt::format("raw data has {} bytes where the dims ask for {}",
                                     tensor.raw->size(), size));
    }
    result.bytes = *tensor.raw;
    return result;
  }
  const size_t listed = listed_count(tensor, *dtype);
  if (listed != static_cast<size_t>(*count)) {
    return bad(tensor, fmt::format("holds {} elements where the dims ask for {}", listed, *count));
  }
  result.owned.resize(size);
  store_elements(tensor, *dtype, result.owned.data());
  result.bytes = result.owned;
  return result;
}

}  // namespace tenon::import::onnx
