#include "import/source_line.h"

#include <fmt/format.h>

namespace tenon::import {
namespace {

std::string_view trim(std::string_view text) {
  const size_t first = text.find_first_not_of(" \t\r");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t\r") + 1 - first);
}

/// Cuts the first line off `text`.
std::string_view take_line(std::string_view& text) {
  const size_t end = text.find('\n');
  const std::string_view line = text.substr(0, end);
  text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  return trim(line);
}

/// The text between two marks, or nothing.
std::string_view between(std::string_view text, std::string_view before, std::string_view after) {
  const size_t start = text.find(before);
  if (start == std::string_view::npos) return {};
  text.remove_prefix(start + before.size());
  return text.substr(0, text.find(after));
}

std::string frame_text(std::string_view frame, std::string_view code) {
  const std::string_view file = between(frame, "File \"", "\"");
  const std::string_view line = between(frame, "\", line ", ",");
  const std::string_view function = between(frame, ", in ", "\n");
  std::string text = fmt::format("{}:{}", file, line);
  if (!function.empty()) text += fmt::format(" in {}", function);
  if (!code.empty()) text += fmt::format(": {}", code);
  return text;
}

}  // namespace

std::string source_line(std::string_view trace) {
  std::string innermost;
  std::string outside_torch;
  while (!trace.empty()) {
    const std::string_view frame = take_line(trace);
    if (!frame.starts_with("File \"")) continue;
    std::string_view rest = trace;
    const std::string_view code = take_line(rest);
    innermost = frame_text(frame, code.starts_with("File \"") ? "" : code);
    if (frame.find("/torch/") == std::string_view::npos) outside_torch = innermost;
  }
  return outside_torch.empty() ? innermost : outside_torch;
}

}  // namespace tenon::import
