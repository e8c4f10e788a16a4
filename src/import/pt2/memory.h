// Tensors that share memory, resolved to values: PyTorch's views and writes in place have no
// counterpart in a graph of values.
#pragma once

#include <functional>
#include <vector>

#include "import/emitter.h"

namespace tenon::import::pt2 {

using TensorId = Id<struct TensorTag>;

/// How a tensor looks at the elements of another one.
struct View {
  std::function<Emitter::Operand(Emitter::Operand base)> read;
  /// The base with the view's elements replaced.
  std::function<Emitter::Operand(Emitter::Operand base, Emitter::Operand part)> write;
  /// Whether PyTorch shares the memory for certain; a write where it is not is refused.
  bool certain = true;
};

class Memory {
 public:
  /// A tensor with elements of its own.
  TensorId add(ir::ValueId value);
  /// kUnsupported for views of views without end.
  Result<TensorId> add_view(TensorId base, View view, ir::ValueId value);

  /// The elements as they are now.
  Result<ir::ValueId> read(TensorId id);
  /// Replaces the elements, in all tensors that share them. kUnsupported where it is not known
  /// which do.
  Result<void> write(TensorId id, ir::ValueId value);
  /// Whether elements that `tensor` looks at were replaced since it was added.
  bool is_written(TensorId tensor) const { return writes_[tensors_[tensor.index].root.index] > 0; }

 private:
  struct Tensor {
    TensorId base;  ///< none: it has elements of its own
    TensorId root;  ///< the last of the bases; itself without one
    size_t depth;   ///< number of bases
    View view;
    ir::ValueId value;
    size_t version;  ///< the number of writes that `value` has seen
  };

  std::vector<Tensor> tensors_;
  std::vector<size_t> writes_;  ///< by tensor, for those without a base
};

}  // namespace tenon::import::pt2
