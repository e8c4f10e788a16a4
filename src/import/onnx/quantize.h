// Integers that stand for real numbers: (integer - zero point) * scale.
#pragma once

#include "import/onnx/node_context.h"

namespace tenon::import::onnx {

/// The integer nearest to x (a whole number already scaled), plus the zero point, in range of `to`.
/// A zero point that is none is 0.
Emitter::Operand saturate(Emitter& emitter, const Emitter::Operand& x, const Emitter::Operand& zero,
                          ir::DType to);

/// x as i32 with its zero point, which may be none, taken off.
Emitter::Operand centred(Emitter& emitter, ir::ValueId x, const Emitter::Operand& zero);

struct Quantised {
  ir::ValueId integers, scale, zero;
};

/// x as u8, with the scale and zero point that its least and greatest element ask for.
Result<Quantised> quantise_by_range(Emitter& emitter, ir::ValueId x);

}  // namespace tenon::import::onnx
