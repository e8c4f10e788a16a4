// Texts of several parts: a line "==== TITLE" begins a part.
#pragma once

#include <string_view>
#include <vector>

namespace tenon {

struct Section {
  std::string_view title;  ///< empty for what stands before the first title line
  std::string_view body;   ///< with its line ends
  size_t line = 1;         ///< of the text at which the body begins, from 1
};

/// The parts in order, as views into `text`; the first is what stands before any title.
std::vector<Section> split_sections(std::string_view text);

}  // namespace tenon
