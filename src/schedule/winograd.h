// What the Winograd recipe and the choice of its form share.
#pragma once

#include "base/target.h"

namespace tenon::schedule {

/// Rows of the largest register tile with this many vectors of columns; 0: none fits.
int most_rows(const Target& target, int vectors);

}  // namespace tenon::schedule
