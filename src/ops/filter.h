// Filters of convolutions: their shape, and their packed form.
//
// pack_filter turns w [M, C/groups, kernel...] into panels of W output channels, [groups,
// ceil(M/groups / W), kernel..., C/groups, W], zero padded.
//
// Groups of few channels would leave such panels almost empty. With `diagonal`, for groups with as
// many output as input channels or one input channel, a panel has the output channels of a register
// of W lanes (base/diagonals.h), [panels, C/groups, kernel..., W]:
// (panel, r * blocks + p, tap) holds the diagonals r of the matrices that take the p-th of a
// group's blocks of input channels to the panel's blocks of output channels.
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <vector>

#include "base/diagonals.h"
#include "ops/op.h"

namespace tenon::ops {

/// What the operands and attributes of a convolution say about its filter, packed or not.
struct Filter {
  int64_t channels = 0;  ///< M, of the result
  int64_t groups = 1;
  int64_t inputs = 0;  ///< input channels of one group
  std::vector<int64_t> kernel;
  int64_t width = 0;  ///< of a panel; 0: not packed
  bool diagonal = false;

  int64_t outputs() const { return channels / groups; }  ///< of one group
  bool depthwise() const { return inputs == 1 && channels == groups; }
  Diagonals diagonals() const { return {inputs, width}; }
  /// Of each group; of all where they are diagonal.
  int64_t panels() const;
  int64_t taps() const;
  /// Dims of the filter as an operand: packed if width > 0.
  std::vector<int64_t> shape() const;
};

/// The filter of a conv node. The operand's dims must be numbers.
std::expected<Filter, std::string> filter_of(const ir::Dims& dims, const ir::Attrs& attrs,
                                             const ir::TensorType& w);

/// Shape rule, evaluation and naive loops of pack_filter.
Inferred infer_pack_filter(InferContext& context);
Evaluated evaluate_pack_filter(EvaluateContext& context);
void pack_filter_loops(ir::LoopScope& scope);

/// A packed filter as [M, C/groups, kernel...].
Tensor unpack_filter(const Filter& filter, const Tensor& packed);

}  // namespace tenon::ops
