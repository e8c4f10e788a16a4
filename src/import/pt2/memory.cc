#include "import/pt2/memory.h"

#include <fmt/format.h>

#include <utility>

namespace tenon::import::pt2 {

namespace {

constexpr size_t kDeepest = 1000;

}  // namespace

TensorId Memory::add(ir::ValueId value) {
  const TensorId id(tensors_.size());
  tensors_.push_back({{}, id, 0, {}, value, 0});
  writes_.push_back(0);
  return id;
}

Result<TensorId> Memory::add_view(TensorId base, View view, ir::ValueId value) {
  const TensorId id(tensors_.size());
  const auto [root, depth] = std::pair(tensors_[base.index].root, tensors_[base.index].depth + 1);
  if (depth > kDeepest) {
    return fail(ErrorKind::kUnsupported, fmt::format("views of views, {} of them", kDeepest));
  }
  tensors_.push_back({base, root, depth, std::move(view), value, writes_[root.index]});
  writes_.push_back(0);
  return id;
}

Result<ir::ValueId> Memory::read(TensorId id) {
  Tensor& tensor = tensors_[id.index];
  const size_t writes = writes_[tensor.root.index];
  if (!tensor.base || tensor.version == writes) return tensor.value;
  TENON_TRY(const ir::ValueId base, read(tensor.base));
  TENON_TRY(tensor.value, tensor.view.read(base));
  tensor.version = writes;
  return tensor.value;
}

Result<void> Memory::write(TensorId id, ir::ValueId value) {
  Tensor& tensor = tensors_[id.index];
  if (tensor.base) {
    if (!tensor.view.certain || !tensor.view.write) {
      return fail(ErrorKind::kUnsupported,
                  "a write in place to a tensor that may or may not share memory");
    }
    TENON_TRY(const ir::ValueId base, read(tensor.base));
    TENON_TRY(const ir::ValueId whole, tensor.view.write(base, value));
    TENON_TRY_DO(write(tensor.base, whole));
  } else {
    ++writes_[id.index];
  }
  tensor.value = value;
  tensor.version = writes_[tensor.root.index];
  return {};
}

}  // namespace tenon::import::pt2
