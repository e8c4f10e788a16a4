// Every recipe by name; recipe.cc lists them in order of preference.
#pragma once

#include "schedule/recipe.h"

namespace tenon::schedule {

const Recipe& matmul_recipe();
const Recipe& conv_recipe();

}  // namespace tenon::schedule
