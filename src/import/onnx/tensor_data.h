// The elements of an ONNX tensor as dense bytes, wherever the file keeps them.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "import/mapped_file.h"
#include "import/onnx.h"
#include "import/onnx/model.h"
#include "import/tensor_bytes.h"
#include "ir/graph.h"

namespace tenon::import::onnx {

/// The element type with this number in TensorProto.DataType, where Tenon has it.
std::optional<ir::DType> dtype_of(int32_t data_type);
/// "float8e4m3fn": what the number stands for, for messages.
std::string data_type_name(int32_t data_type);

/// Whether elements of the type are smaller than a byte. They are read as integers of 8 bits.
bool is_packed(int32_t data_type);

/// Finds the bytes of tensors; opens each file of external data once.
class TensorReader {
 public:
  /// External data is relative to `directory`, the place of `model`.
  TensorReader(std::filesystem::path directory, std::filesystem::path model, const Limits& limits)
      : directory_(std::move(directory)), model_(std::move(model)), limits_(limits) {}

  /// Errors name the tensor: kBadModel when sizes and dims do not agree or a rule is broken,
  /// kUnsupported for an element type that Tenon lacks, kIo for a file that is not there.
  Result<TensorBytes> read(const Tensor& tensor);

  const std::map<std::string, std::shared_ptr<const MappedFile>, std::less<>>& files() const {
    return files_;
  }

 private:
  Result<TensorBytes> read_packed(const Tensor& tensor, ir::DType dtype, int bits);
  Result<std::span<const std::byte>> external(const Tensor& tensor, uint64_t size);

  std::filesystem::path directory_, model_;
  const Limits& limits_;
  std::map<std::string, std::shared_ptr<const MappedFile>, std::less<>> files_;
};

}  // namespace tenon::import::onnx
