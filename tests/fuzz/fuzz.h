// Mutates bytes and feeds them to whatever reads files, which must neither crash nor hang nor take
// memory without bound. Every run of a target is determined by its seeds and a number.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

namespace tenon::fuzz {

struct Target {
  std::string name;
  std::vector<std::string> seeds;  ///< inputs that are good
  std::function<void(const std::string& input)> read;
  std::vector<std::string> words = {};  ///< worth putting somewhere
};

/// `seed` with one to eight changes, or mixed with another of the target's seeds.
std::string mutated(const Target& target, size_t run);

/// Runs first, first + 1, ..., `count` in all. A crash, a run of more than 20 seconds or of more
/// than 2 GB ends the process with the target and the number of the run on standard error.
void fuzz(const Target& target, size_t first, size_t count);

}  // namespace tenon::fuzz
