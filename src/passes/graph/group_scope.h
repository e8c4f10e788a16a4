// The LoopScope that stands behind a group: it turns logical indices into addresses by placement,
// and stores into the group's epilogue.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "ir/loop_scope.h"
#include "passes/graph/to_loops.h"

namespace tenon::passes {

class GroupScope final : public ir::LoopScope {
 public:
  GroupScope(ir::Module& module, const ir::Group& group, const Target& target);

  ir::LoopBuilder& builder() override { return builder_; }
  const Target& target() const override { return target_; }
  const ir::Attrs& attrs() const override;
  bool has_operand(int operand) const override;
  const ir::TensorType& operand_type(int operand) const override;
  const ir::TensorType& result_type(int result) const override;
  ir::E dim(ir::Dim dim) override;
  ir::E load(int operand, std::span<const ir::E> index, ir::Lanes lanes) override;
  void store(int result, std::span<const ir::E> index, ir::E value, ir::Lanes lanes) override;
  void expect_store(int result, std::span<const ir::E> index) override;
  std::vector<int64_t> pooling() const override;
  ir::LoopScope* producer(int operand) override;
  ir::E finished(int result, std::span<const ir::E> index, ir::E value, ir::Lanes lanes) override;
  ir::E load_result(int result, std::span<const ir::E> index, ir::Lanes lanes) override;
  ir::View view(int operand) override;
  ir::View result_view(int result) override;
  bool adjacent(int outer, int inner) const override;
  std::vector<int> memory_order(int result) const override;
  std::vector<int> operand_order(int operand) const override;

  /// Loops of a group without an anchor: one nest over the result, adjacent axes merged where all
  /// memory allows it.
  void elementwise_loops();

  /// Zeroes what lies around a result in its storage, after the group's loops: each task clears an
  /// equal part of the rows, about those that it has written.
  void clear_halo(ir::ValueId storage);

  /// The kernel, once its loops are made.
  Kernel finish();

 private:
  /// What the scopes of one kernel share.
  struct Parts {
    explicit Parts(std::string name) : builder(std::move(name)) {}

    ir::LoopBuilder builder;
    Kernel kernel;
    std::map<ir::ValueId, ir::BufferId> buffers;
    std::vector<std::pair<ir::Dim, ir::E>> params;
  };

  /// Of a part of the group of a kernel.
  GroupScope(ir::Module& module, ir::Group part, const Target& target,
             std::shared_ptr<Parts> parts);

  /// Values that an expression may read at `index` of a shape of that rank, before they are looked
  /// for in memory.
  struct Point {
    std::span<const ir::E> index;
    ir::Lanes lanes;
    std::unordered_map<ir::ValueId, ir::E>* known;
  };

  ir::View view_of(ir::ValueId value);
  ir::E value_at(ir::ValueId value, const Point& point);
  ir::E compute(ir::NodeId id, const Point& point);
  ir::E load_memory(ir::ValueId value, const Point& point);
  void store_memory(ir::ValueId value, const Point& point, ir::E element);
  bool made_here(ir::ValueId value) const;
  /// What the anchor's stores give: its result, or that of the pool behind it.
  ir::ValueId stored(int result) const;
  /// What they give after the epilogue: what lies in memory.
  ir::ValueId final(int result) const;
  /// Strides of `value` along the axes of an index of this rank: 0 where it is repeated.
  std::vector<ir::Dim> aligned_strides(ir::ValueId value, size_t rank) const;
  ir::E address(ir::ValueId value, const Point& point, ir::E* lane_stride);

  ir::Module& module_;
  const Target& target_;
  std::shared_ptr<Parts> parts_;
  ir::LoopBuilder& builder_ = parts_->builder;
  std::map<ir::ValueId, ir::BufferId>& buffers_ = parts_->buffers;
  ir::Group group_;                       ///< without the part that makes an operand
  std::unique_ptr<GroupScope> producer_;  ///< of that part
  /// In a nest over merged axes: strides of each value along them.
  std::unordered_map<ir::ValueId, std::vector<ir::Dim>> merged_;
};

}  // namespace tenon::passes
