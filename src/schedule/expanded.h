// A depthwise convolution that makes its input itself. The pointwise convolution before it, which
// expands a few channels to many, gives a map that leaves the second-level cache before it is read;
// instead, each task computes the rows and channels of it that it needs into scratch memory.
#pragma once

#include <optional>

#include "ir/loop_scope.h"
#include "schedule/grouped.h"

namespace tenon::schedule {

/// How the tasks of both convolutions divide the work.
struct ExpansionPlan {
  int64_t row_block;      ///< output rows of a task, whole tiles
  int64_t panel;          ///< channels of a task: a panel of the packed filter
  int64_t rows, columns;  ///< of the map in scratch memory, zeros around it included
};

/// Whether `producer`, a convolution that makes the input of the depthwise `node`, is pointwise and
/// better computed with it.
bool takes_expansion(const ir::Module& module, const ir::Node& node, const ir::Node& producer,
                     const Target& target);

class Expansion {
 public:
  /// Of the depthwise convolution's scope, whose input is made in the kernel.
  explicit Expansion(ir::LoopScope& scope);

  const ExpansionPlan& plan() const { return plan_; }

  /// The strides of the input as it lies in scratch memory.
  ir::View view() const;

  /// Computes what the output rows from `first` to `end` read of a panel of channels, and gives the
  /// input with that part in place.
  ir::View compute(ir::E image, ir::E first, ir::E end, ir::E panel);

 private:
  /// The vectors of a panel's channels; of the last one a part may be without a channel.
  struct Vectors {
    int count;
    ir::E last_mask;
  };

  void zero(ir::E begin, ir::E end);
  void map_row(ir::E image, ir::E y, ir::E row, ir::E panel);
  void strip(int columns, const Vectors& vectors, ir::E image, ir::E y, ir::E x, ir::E written,
             ir::E panel);

  ir::LoopScope& scope_;
  ir::LoopScope& producer_;
  ir::LoopBuilder& b_;
  const ExpansionPlan plan_;
  const ir::View x_, w_;
  const int lanes_;
  const int64_t height_, width_;  ///< of the map
  const std::vector<int64_t> pads_;
  WindowAxis axis_y_;
  ir::BufferId scratch_;
};

}  // namespace tenon::schedule
