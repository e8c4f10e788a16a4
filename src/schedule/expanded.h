// A depthwise convolution that makes its input itself. The pointwise convolution before it, which
// expands a few channels to many, gives a map that would leave the second-level cache before it is
// read; instead, each task computes some channels of the rows that it needs into scratch memory, a
// few rows before they are read.
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

/// The loops that make the input of a depthwise convolution.
class Expansion {
 public:
  /// Of the depthwise convolution's scope, whose input is made in the kernel.
  explicit Expansion(ir::LoopScope& scope);

  const ExpansionPlan& plan() const { return plan_; }

  /// The strides of the input as it lies in scratch memory.
  ir::View view() const;

  /// Begins a task: the output rows from `first` on of an image, of a panel of channels. Gives the
  /// input with the rows that `make_rows` makes in place.
  ir::View start(ir::E image, ir::E first, ir::E panel);

  /// Computes what `rows` output rows from `y` on read beyond what those of the task before them
  /// do.
  void make_rows(ir::E y, int rows);

 private:
  /// The vectors of a panel's channels; of the last one a part may be without a channel.
  struct Vectors {
    int count;
    ir::E last_mask;
  };

  void zero(ir::E begin, int64_t length);
  /// Computes a row of the map, to scratch memory at `written`.
  void map_row(ir::E y, ir::E written);
  /// Computes neighbouring columns of a row, in registers over the whole reduction.
  void strip(int columns, const Vectors& vectors, ir::E y, ir::E x, ir::E written);

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
  ir::E image_, first_, panel_, top_;  ///< of the task; of the map, the first row in scratch memory
};

}  // namespace tenon::schedule
