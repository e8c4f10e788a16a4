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

Result<TensorBytes> TensorReader::read(const Tensor& tensor) {
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
