#include "base/sections.h"

#include <algorithm>

namespace tenon {

std::vector<Section> split_sections(std::string_view text) {
  constexpr std::string_view kMark = "==== ";
  std::vector<Section> sections = {{}};
  size_t begin = 0, line = 0;  // of the body at hand; of the line at hand
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find('\n', at), text.size());
    const std::string_view content = text.substr(at, end - at);
    ++line;
    if (content.starts_with(kMark)) {
      sections.back().body = text.substr(begin, at - begin);
      sections.push_back({.title = content.substr(kMark.size()), .body = {}, .line = line + 1});
      begin = std::min(end + 1, text.size());
    }
    at = end + 1;
  }
  sections.back().body = text.substr(begin);
  return sections;
}

}  // namespace tenon
