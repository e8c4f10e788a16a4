#include "import/pt2/weights.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <optional>

namespace tenon::import::pt2 {
namespace {

constexpr std::string_view kWeights = "data/weights/", kConstants = "data/constants/";

/// The numbers of sizes that do not depend on symbols, as those of stored tensors.
std::optional<std::vector<int64_t>> numbers_of(std::span<const Size> sizes) {
  std::vector<int64_t> numbers;
  for (const Size& size : sizes) {
    const auto* number = std::get_if<int64_t>(&size.value);
    if (!number || *number < 0) return std::nullopt;
    numbers.push_back(*number);
  }
  return numbers;
}

/// One more than the highest element that is looked at, or nothing when that is beyond 64 bits.
std::optional<int64_t> end_of(std::span<const int64_t> sizes, std::span<const int64_t> strides,
                              int64_t offset) {
  int64_t last = offset;
  for (size_t i = 0; i < sizes.size(); ++i) {
    int64_t distance = 0;
    if (sizes[i] == 0) return offset;
    if (__builtin_mul_overflow(sizes[i] - 1, strides[i], &distance) ||
        __builtin_add_overflow(last, distance, &last)) {
      return std::nullopt;
    }
  }
  return __builtin_add_overflow(last, 1, &last) ? std::nullopt : std::optional(last);
}

bool is_dense(std::span<const int64_t> sizes, std::span<const int64_t> strides) {
  int64_t expected = 1;
  for (size_t i = sizes.size(); i-- > 0;) {
    if (sizes[i] != 1 && strides[i] != expected) return false;
    expected *= sizes[i];
  }
  return true;
}

/// Copies elements in row-major order of the sizes.
void copy_strided(const std::byte* from, std::byte* into, size_t width,
                  std::span<const int64_t> sizes, std::span<const int64_t> strides) {
  std::vector<int64_t> index(sizes.size());
  int64_t at = 0;
  for (;;) {
    std::memcpy(into, from + at * static_cast<int64_t>(width), width);
    into += width;
    size_t axis = sizes.size();
    while (axis-- > 0) {
      at += strides[axis];
      if (++index[axis] < sizes[axis]) break;
      at -= strides[axis] * sizes[axis];
      index[axis] = 0;
    }
    if (axis == SIZE_MAX) return;
  }
}

}  // namespace

Result<Weights> Weights::open(Archive& archive, const std::string& model, const Limits& limits) {
  Weights weights(archive, limits);
  for (const auto& [folder, kind, tensors] :
       {std::tuple(kWeights, "weights", &weights.weights_),
        std::tuple(kConstants, "constants", &weights.constants_)}) {
    const std::string config = fmt::format("{}{}_{}_config.json", folder, model, kind);
    const std::string pickle = fmt::format("{}{}.pt", folder, model);
    if (!archive.has(config) && archive.has(pickle)) {
      return fail(ErrorKind::kUnsupported,
                  fmt::format("'{}' is a pickle, which Tenon does not read", pickle), {},
                  "export the model again with PyTorch 2.9 or newer");
    }
    if (!archive.has(config)) continue;
    TENON_TRY(const std::string_view text, archive.read_text(config));
    auto read = read_weights_config(text);
    if (!read) {
      for (Diagnostic& diagnostic : read.error().diagnostics) {
        diagnostic.message = fmt::format("{}: {}", config, diagnostic.message);
      }
      return std::unexpected(std::move(read).error());
    }
    *tensors = *std::move(read);
  }
  return weights;
}

Result<TensorBytes> Weights::read(const AtenInput& input) {
  const bool is_constant = input.kind == AtenInput::Kind::kConstant || !input.persistent;
  const auto& tensors = is_constant ? constants_ : weights_;
  const auto found = tensors.find(input.target);
  if (found == tensors.end()) {
    return fail(ErrorKind::kBadModel,
                fmt::format("the elements of '{}' are not in the archive", input.target));
  }
  const StoredTensor& tensor = found->second;
  if (tensor.pickled) {
    return fail(ErrorKind::kUnsupported,
                fmt::format("'{}' is a pickle, which Tenon does not read", input.target), {},
                "make it a plain tensor before the export (tensors of torchao: dequantize them)");
  }
  TENON_TRY(const auto storage,
            archive_.read(fmt::format("{}{}", is_constant ? kConstants : kWeights, tensor.path)));
  return view(input.target, tensor, storage);
}

Result<TensorBytes> Weights::view(const std::string& name, const StoredTensor& tensor,
                                  std::span<const std::byte> storage) {
  const auto bad = [&](std::string_view what) {
    return fail(ErrorKind::kBadModel, fmt::format("'{}' {}", name, what));
  };
  const std::optional<ir::DType> dtype = dtype_of(tensor.meta.scalar_type);
  if (!dtype) {
    return fail(ErrorKind::kUnsupported, fmt::format("'{}' has elements of {}", name,
                                                     scalar_type_name(tensor.meta.scalar_type)));
  }
  if (tensor.meta.layout != kStrided) {
    return fail(ErrorKind::kUnsupported, fmt::format("'{}' is sparse", name), {},
                "make it dense before the export");
  }
  const auto sizes = numbers_of(tensor.meta.sizes), strides = numbers_of(tensor.meta.strides);
  const auto* offset = std::get_if<int64_t>(&tensor.meta.storage_offset.value);
  if (!sizes || !strides || !offset || *offset < 0) return bad("has sizes that are no numbers");
  std::vector<int64_t> extents = *sizes;
  const auto width = static_cast<int64_t>(ir::size_of(*dtype));
  extents.push_back(width);
  const std::optional<int64_t> bytes = ir::checked_product(extents);
  const std::optional<int64_t> end = end_of(*sizes, *strides, *offset);
  if (!bytes || !end || static_cast<uint64_t>(*bytes) > limits_.tensor_bytes) {
    return bad("is larger than any tensor");
  }
  TensorBytes result{{*dtype, {sizes->begin(), sizes->end()}}, {}, {}};
  if (*bytes == 0) return result;
  if (storage.empty()) {
    TENON_TRY_DO(archive_.spend(static_cast<uint64_t>(*bytes)));
    result.owned.resize(static_cast<size_t>(*bytes));
  } else if (*end > static_cast<int64_t>(storage.size()) / width) {
    return bad("goes beyond the end of its storage");
  } else if (is_dense(*sizes, *strides)) {
    result.bytes =
        storage.subspan(static_cast<size_t>(*offset * width), static_cast<size_t>(*bytes));
    return result;
  } else {
    TENON_TRY_DO(archive_.spend(static_cast<uint64_t>(*bytes)));
    result.owned.resize(static_cast<size_t>(*bytes));
    copy_strided(storage.data() + *offset * width, result.owned.data(), static_cast<size_t>(width),
                 *sizes, *strides);
  }
  result.bytes = result.owned;
  return result;
}

}  // namespace tenon::import::pt2
