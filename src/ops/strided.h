// Reads elements of a tensor through strides into dense memory: what movement and broadcasting in
// reference evaluation are made of.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "ops/tensor.h"

namespace tenon::ops {

/// A box over the elements of a source: element (i, j, ...) is source[offset + i*strides[0] +
/// j*strides[1] + ...], in elements.
class StridedReader {
 public:
  StridedReader(std::span<const int64_t> shape, std::span<const int64_t> strides,
                int64_t offset = 0);

  /// Elements first..first+count in row-major order of the box, to dense memory at `target`.
  void read(const Tensor& source, int64_t first, int64_t count, std::byte* target) const;
  /// The whole box, which has as many elements as `target`.
  void read(const Tensor& source, Tensor& target) const;

 private:
  std::vector<int64_t> shape_, strides_;  // adjacent axes that are one run are merged
  int64_t offset_;
};

/// Columns of a matrix as rows of another: target[i * pitch + j] = source[j * stride + i], in
/// elements of `dtype`, for i < rows and j < columns of the target.
void transpose(ir::DType dtype, const std::byte* source, int64_t stride, int64_t columns,
               int64_t rows, std::byte* target, int64_t pitch);

/// Strides that read `source` at every index of the shape it broadcasts to: 0 along broadcast axes.
std::vector<int64_t> broadcast_strides(std::span<const int64_t> source,
                                       std::span<const int64_t> shape);

}  // namespace tenon::ops
