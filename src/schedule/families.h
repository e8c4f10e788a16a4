// Every recipe by name; recipe.cc lists them in order of preference.
#pragma once

#include "schedule/recipe.h"

namespace tenon::schedule {

const Recipe& matmul_recipe();
const Recipe& conv_recipe();
const Recipe& conv_transpose_recipe();
const Recipe& grouped_recipe();
const Recipe& attention_recipe();
const Recipe& attention_row_recipe();
const Recipe& copy_recipe();
const Recipe& dot_recipe();
const Recipe& max_pool_recipe();
const Recipe& winograd_recipe();
const Recipe& lstm_recipe();
const Recipe& gru_recipe();
const Recipe& rnn_recipe();

/// What a convolution asks of its input: channels last, zeros where its window reads padding.
OperandLayout windowed_layout(const ir::Node& node);

/// The width of the registers in which the grouped recipe should compute a convolution; 0: another
/// recipe should.
int grouped_width(const ir::Module& module, const ir::Node& node, const Target& target);

/// The panel width for the matrix of a product that takes one row times few columns; 0: it is none.
int dot_width(const ir::Module& module, const ir::Node& node, const Target& target);

/// The panel width for the matrix r of a recurrent layer; 0: not to be packed.
int recurrent_width(const ir::Module& module, const ir::Node& node, const Target& target);

}  // namespace tenon::schedule
