#include "ops/strided.h"

#include <algorithm>

#include "ops/shape.h"

namespace tenon::ops {
namespace {

template <class T>
void read_run(const T* source, int64_t stride, int64_t count, T* target) {
  if (stride == 1) {
    std::copy_n(source, count, target);
  } else if (stride == 0) {
    std::fill_n(target, count, *source);
  } else {
    for (int64_t i = 0; i < count; ++i) target[i] = source[i * stride];
  }
}

template <class F>
void for_element_type(ir::DType dtype, F&& function) {
  switch (ir::size_of(dtype)) {
    case 1: return function.template operator()<uint8_t>();
    case 2: return function.template operator()<uint16_t>();
    case 4: return function.template operator()<uint32_t>();
    default: return function.template operator()<uint64_t>();
  }
}

}  // namespace

StridedReader::StridedReader(std::span<const int64_t> shape, std::span<const int64_t> strides,
                             int64_t offset)
    : offset_(offset) {
  for (size_t i = 0; i < shape.size(); ++i) {
    if (shape[i] == 1) continue;
    if (!shape_.empty() && strides_.back() == strides[i] * shape[i]) {
      shape_.back() *= shape[i];
      strides_.back() = strides[i];
    } else {
      shape_.push_back(shape[i]);
      strides_.push_back(strides[i]);
    }
  }
  if (shape_.empty()) {
    shape_.push_back(1);
    strides_.push_back(0);
  }
}

void StridedReader::read(const Tensor& source, int64_t first, int64_t count,
                         std::byte* target) const {
  if (count == 0) return;
  std::vector<int64_t> index(shape_.size());
  int64_t position = offset_;
  for (size_t i = shape_.size(); i-- > 0;) {
    index[i] = first % shape_[i];
    first /= shape_[i];
    position += index[i] * strides_[i];
  }
  const size_t last = shape_.size() - 1;
  auto walk = [&]<class T>(const T* elements, T* out) {
    while (true) {
      int64_t run = std::min(count, shape_[last] - index[last]);
      read_run(elements + position, strides_[last], run, out);
      out += run;
      count -= run;
      if (count == 0) return;
      position -= index[last] * strides_[last];
      index[last] = 0;
      for (size_t i = last; i-- > 0;) {
        position += strides_[i];
        if (++index[i] < shape_[i]) break;
        position -= index[i] * strides_[i];
        index[i] = 0;
      }
    }
  };
  for_element_type(source.dtype(), [&]<class T>() {
    walk(reinterpret_cast<const T*>(source.bytes()), reinterpret_cast<T*>(target));
  });
}

void StridedReader::read(const Tensor& source, Tensor& target) const {
  const size_t rank = shape_.size();
  if (rank < 2 || strides_[rank - 2] != 1 || strides_[rank - 1] == 0)
    return read(source, 0, target.count(), target.bytes());
  if (target.count() == 0) return;
  const int64_t rows = shape_[rank - 2], columns = shape_[rank - 1];
  for (int64_t matrix = 0; matrix < target.count() / (rows * columns); ++matrix) {
    int64_t position = offset_, rest = matrix;
    for (size_t i = rank - 2; i-- > 0; rest /= shape_[i])
      position += rest % shape_[i] * strides_[i];
    const int64_t size = ir::size_of(source.dtype());
    transpose(source.dtype(), source.bytes() + position * size, strides_[rank - 1], columns, rows,
              target.bytes() + matrix * rows * columns * size, columns);
  }
}

// In tiles whose lines stay in the first-level cache.
void transpose(ir::DType dtype, const std::byte* source, int64_t stride, int64_t columns,
               int64_t rows, std::byte* target, int64_t pitch) {
  for_element_type(dtype, [&]<class T>() {
    constexpr int64_t kTile = 64 / sizeof(T) < 16 ? 16 : 64 / sizeof(T);
    const T* from = reinterpret_cast<const T*>(source);
    T* to = reinterpret_cast<T*>(target);
    for (int64_t i = 0; i < rows; i += kTile) {
      const int64_t i_end = std::min(rows, i + kTile);
      for (int64_t j = 0; j < columns; j += kTile) {
        const int64_t j_end = std::min(columns, j + kTile);
        for (int64_t row = i; row < i_end; ++row) {
          for (int64_t column = j; column < j_end; ++column)
            to[row * pitch + column] = from[column * stride + row];
        }
      }
    }
  });
}

std::vector<int64_t> broadcast_strides(std::span<const int64_t> source,
                                       std::span<const int64_t> shape) {
  std::vector<int64_t> dense = dense_strides(source);
  std::vector<int64_t> strides(shape.size(), 0);
  const size_t missing = shape.size() - source.size();
  for (size_t i = 0; i < source.size(); ++i) {
    if (source[i] != 1) strides[missing + i] = dense[i];
  }
  return strides;
}

}  // namespace tenon::ops
