// Every recipe by name; recipe.cc lists them in order of preference.
#pragma once

#include "schedule/recipe.h"

namespace tenon::schedule {

const Recipe& matmul_recipe();
const Recipe& conv_recipe();
const Recipe& depthwise_recipe();

/// What a convolution asks of its input: channels last, zeros where its window reads padding.
OperandLayout windowed_layout(const ir::Node& node);

}  // namespace tenon::schedule
