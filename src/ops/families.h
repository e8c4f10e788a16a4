// The families of operators: each file under ops/ gives its rows to the registry in op.cc.
#pragma once

#include <utility>
#include <vector>

#include "ops/op.h"

namespace tenon::ops {

using Family = std::vector<std::pair<ir::Op, Operator>>;

Family elementwise_operators();
Family leaf_operators();
Family view_operators();
Family reshape_operators();
Family concat_operators();
Family tile_operators();
Family trilu_operators();
Family reduce_operators();
Family scan_operators();
Family top_k_operators();
Family matmul_operators();
Family conv_operators();
Family conv_transpose_operators();
Family winograd_operators();
Family pool_operators();
Family recurrent_operators();
Family softmax_operators();
Family normalization_operators();
Family lrn_operators();
Family attention_operators();
Family pad_operators();
Family gather_operators();
Family scatter_operators();
Family resize_operators();

}  // namespace tenon::ops
