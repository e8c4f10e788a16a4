// One file for several targets.
#pragma once

#include <span>

#include "driver/artifact.h"

namespace tenon::driver {

/// The file that has what each of `artifacts` has, files of one target each for the same model, in
/// their order. Weights whose bytes are equal are there once.
Artifact join(std::span<const Artifact> artifacts);

}  // namespace tenon::driver
